import { parseDuration } from '../../handlers/generic.js';
import { isGiven, recordOf, textOf } from '../values.js';
import { pairs } from './mounts.js';
import { unitOf, type Part } from './part.js';
import { line, option, podmanArg, remark, type Piece } from './text.js';

/** When a service starts, stops, starts again, and counts as healthy. */

export function dependencies(_: unknown, part: Part): Piece[] {
  return Object.entries(part.service.depends_on).flatMap(([name, { condition, required = true }]) =>
    part.active.includes(name)
      ? dependency(name, { condition, required }, part)
      : [remark(`it depends on ${name}, which is not among the units: its profile is not active`)],
  );
}

function dependency(
  name: string,
  { condition, required }: { condition: string; required: boolean },
  { project }: Part,
): Piece[] {
  const unit = unitOf(project, name);
  return [
    line('Unit', required ? 'Requires' : 'Wants', `${unit}.service`),
    line('Unit', 'After', `${unit}.service`),
    ...(condition === 'service_healthy'
      ? [
          remark(
            `it starts when ${name} has started, not when it is healthy: from Podman 5.0 on, Notify=healthy in ${unit}.container makes it wait`,
          ),
        ]
      : []),
  ];
}

/** Somebody waits until it has ended well. */
function isAwaited({ name, model }: Part): boolean {
  return Object.values(model.services).some(
    ({ depends_on }) => depends_on[name]?.condition === 'service_completed_successfully',
  );
}

export function ending(part: Part): Piece[] {
  if (!isAwaited(part)) return [];
  return [line('Service', 'Type', 'oneshot'), line('Service', 'RemainAfterExit', 'yes')];
}

export function restart(_: unknown, part: Part): Piece[] {
  const [policy, limit] = (part.service.restart ?? '').split(':');
  if (policy === 'no') return [];
  if (policy === 'on-failure') {
    return [
      line('Service', 'Restart', 'on-failure'),
      ...(limit === undefined
        ? []
        : [remark(`it does not stop at ${limit} restarts, but at StartLimitBurst= of systemd`)]),
    ];
  }
  if (isAwaited(part)) return [remark('it is not started again: another service waits until it has ended')];
  return [
    // As the engine does it: again and again, and at boot.
    line('Unit', 'StartLimitIntervalSec', '0'),
    line('Service', 'Restart', 'always'),
    line('Service', 'RestartSec', '1'),
    line('Install', 'WantedBy', 'default.target'),
    ...(policy === 'unless-stopped' ? [remark('stopped by hand, it starts again at the next boot')] : []),
  ];
}

/** systemd has to wait longer than Podman does. */
export function stopGracePeriod(value: unknown): Piece[] {
  const seconds = Math.ceil(parseDuration(textOf(value) ?? '') / 1000);
  return [
    podmanArg('stop-timeout', String(seconds)),
    line('Service', 'TimeoutStopSec', String(seconds + 30)),
  ];
}

const TIMINGS = [
  ['interval', 'HealthInterval', 'health-interval'],
  ['timeout', 'HealthTimeout', 'health-timeout'],
  ['start_period', 'HealthStartPeriod', 'health-start-period'],
  ['retries', 'HealthRetries', 'health-retries'],
] as const;

export function healthcheck(_: unknown, { service: { healthcheck: check = {} } }: Part): Piece[] {
  const { test, disable } = check;
  if (disable || test?.[0] === 'NONE') return [podmanArg('no-healthcheck')];
  if (test === undefined || test.length < 2)
    return [remark('the times of its health check have no counterpart without its command')];
  const times = TIMINGS.flatMap(([from, key, arg]) =>
    isGiven(check[from]) ? [option(key, arg, String(check[from]))] : [],
  );
  return [
    ...healthCommand(test),
    ...times,
    ...(isGiven(check['start_interval']) ? [remark('its start_interval has no counterpart')] : []),
  ];
}

/** Podman tells a command from words for a shell by looking whether it is a JSON array. */
function healthCommand([kind, ...words]: string[]): Piece[] {
  const [first = ''] = words;
  if (kind === 'CMD' && words.length > 1) return [healthLine(JSON.stringify(words))];
  if (kind === 'CMD') return [healthLine(first), remark('its health check needs a shell in the image')];
  return [healthLine(/^\s*["[]|^(?:CMD|NONE)/i.test(first) ? JSON.stringify(['CMD-SHELL', first]) : first)];
}

const healthLine = (command: string) => option('HealthCmd', 'health-cmd', command);

const LOG_DRIVERS = ['journald', 'json-file', 'k8s-file', 'none'];
const LOG_OPTIONS = ['max-size', 'tag', 'path'];

export function logging(value: unknown): Piece[] {
  const { driver, options } = recordOf(value);
  const name = textOf(driver);
  if (name !== undefined && !LOG_DRIVERS.includes(name))
    return [remark(`the log driver ${name} is none of Podman's: its logs go to the journal`)];
  return [
    ...(name === undefined ? [] : [line('Container', 'LogDriver', name)]),
    ...pairs(options).map((pair) => {
      const [key = ''] = pair.split('=');
      if (LOG_OPTIONS.includes(key)) return podmanArg('log-opt', pair);
      return remark(`log option ${key} is none of Podman's`);
    }),
  ];
}
