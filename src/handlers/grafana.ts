import { pass } from '../model/verdict.js';
import type { Handler } from './handler.js';
import { httpHealth } from './http-health.js';
import { inSeconds, pause } from './waiting.js';

const REPOSITORIES = new Set(['grafana', 'grafana-oss', 'grafana-enterprise']);
/** Milliseconds Grafana gets to migrate its database and provision itself before it is asked. */
const SETTLING = 5000;

export const grafana: Handler = {
  kind: 'grafana',
  matches: (repository) => REPOSITORIES.has(repository.split('/').at(-1) ?? ''),

  async settle(context) {
    await pause(SETTLING, context.signal);
    return pass(`had ${inSeconds(SETTLING)} to settle`);
  },

  verify: (context) =>
    httpHealth(context, {
      path: '/api/health',
      port: 3000,
      lacks: ({ body }) => (/"database"\s*:\s*"ok"/.test(body) ? undefined : 'its database is not ok'),
    }),
};
