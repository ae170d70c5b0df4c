import { parseComposeService, type ComposeModel, type ComposeService } from '../../model/compose.js';
import { redact, tellingOf } from '../../model/secrets.js';
import type { Environment } from '../../project/reading.js';
import { recordOf } from '../values.js';

/** Where people put values of variables, beside the environment. */
const TELLING_KEYS = ['command', 'entrypoint', 'healthcheck', 'labels', 'annotations'];

/** The model as it may be shown: `***` where a value of a service's environment is repeated, or one of the shell whose name tells that it is secret. */
export function withoutSecrets(model: ComposeModel, shell: Environment): ComposeModel {
  const services = Object.entries(model.services);
  const environments = services.map(([, { environment }]) => valuesOf(environment));
  const hide = (text: string) => redact(text, tellingOf(shell), ...environments);
  return {
    ...model,
    services: Object.fromEntries(services.map(([name, service]) => [name, hidden(service, hide)])),
  };
}

function valuesOf(environment: ComposeService['environment']): Environment {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value ?? undefined]));
}

function hidden(service: ComposeService, hide: (text: string) => string): ComposeService {
  const entries = Object.entries(service).map(([key, value]) => [
    key,
    TELLING_KEYS.includes(key) ? within(value, hide) : value,
  ]);
  return parseComposeService(Object.fromEntries(entries));
}

function within(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === 'string') return hide(value);
  if (Array.isArray(value)) return value.map((one) => within(one, hide));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(recordOf(value)).map(([key, one]) => [key, within(one, hide)]));
}
