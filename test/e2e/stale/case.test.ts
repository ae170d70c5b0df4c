import { beforeAll, expect, test } from 'vitest';
import { answer, docker } from '../../support/e2e.js';
import { atTerminal } from '../../support/processes.js';
import { aShop, type Shop } from '../../support/shop.js';
import { leavesOnlyATrace } from '../../support/untouched.js';

/** The plan was shown; while the person thinks it over, somebody else changes the project. What was agreed to is no longer what would be done. */

let shop: Shop;

beforeAll(async () => {
  shop = await aShop('e2e-stale', { files: { '.env': 'COLOUR=blue\n' } });
});

const changes: Record<string, () => Promise<unknown>> = {
  'a file is edited': () => shop.write({ '.env': 'COLOUR=red\n' }),
  'a file appears': () => shop.write({ 'compose.override.yaml': 'services: { idle: { labels: [a=b] } }\n' }),
  'a tag is moved': () => docker('tag', shop.images.v1, shop.tag),
  'a service is stopped': () => shop.compose('stop', 'idle'),
};

for (const [what, change] of Object.entries(changes)) {
  test(`${what} meanwhile: refused, untouched`, async () => {
    const terminal = atTerminal(shop, 'rollback', shop.point);
    await terminal.sees('[yes/no]:');
    await change();
    await leavesOnlyATrace(shop, async () => {
      terminal.type('yes\r');
      expect(await terminal.ended()).toBe(3);
    });
    expect(terminal.shown).toContain('the project changed since the plan was made; nothing was touched');
    expect(await answer(shop.port)).toBe('v2');
  });
}
