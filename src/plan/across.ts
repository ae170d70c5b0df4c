import { canonicalText } from '../model/canonical.js';
import type { Fact, Facts, Json } from '../model/facts.js';
import { splitKey } from '../model/facts.js';

/**
 * Facts in words that engines of both kinds have: what `across: 'translated'` stands for in the table of facts. Pure. Measured with Docker 28.5,
 * Podman 5.8 and podman-compose 1.6.
 */
export function inCommonTerms(facts: Facts): Facts {
  const isPrivileged = facts['privileged']?.value === true;
  const entries = Object.entries(facts).flatMap(([key, fact]): [string, Fact][] => {
    const [kind] = splitKey(key);
    if (isPrivileged && PRIVILEGES.has(kind)) return [];
    const translate = Object.hasOwn(TRANSLATIONS, kind) ? TRANSLATIONS[kind] : undefined;
    if (!translate) return [[key.replace(DRIVER_OPTION, 'option.'), fact]];
    const value = translate(fact.value);
    return value === undefined ? [] : [[key, { ...fact, value }]];
  });
  return withProcessors(withCapabilities(Object.fromEntries(entries)));
}

/** A privileged container has all of them, and each engine tells that in its own way. */
const PRIVILEGES: ReadonlySet<string> = new Set(['cap_add', 'cap_drop', 'security_opt']);

/** Podman calls an option of a network driver by its last part. */
const DRIVER_OPTION = /^option\.com\.docker\.network\.driver\./;

type Fields = { [key: string]: Json };

const isFields = (value: Json): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** By kind of fact; undefined for what is no setting in common terms. */
const TRANSLATIONS: Readonly<Record<string, (value: Json) => Json | undefined>> = {
  // podman-compose joins the parts of a generated name with underscores.
  name: (value) => (typeof value === 'string' && /[-_]N$/.test(value) ? value.replaceAll('_', '-') : value),
  healthcheck: (value) => (isFields(value) ? commonHealthcheck(value) : value),
  security_opt: (value) => commonSecurity(value),
  devices: (value) => listOf(value, (device) => device.split(':').slice(0, 2).join(':')),
  // Podman writes out that a port is published at every address.
  port: (value) => sortedList(listOf(value, (binding) => binding.replace(/^:/, '0.0.0.0:'))),
  userns_mode: (value) => (value === 'host' ? undefined : value),
  mount: (value) => (isFields(value) ? commonMount(value) : value),
  content: (value) => (isFields(value) ? without(value, 'uid', 'gid') : value),
};

function listOf(value: Json, change: (item: string) => string): Json {
  return Array.isArray(value) ? value.map((item) => (typeof item === 'string' ? change(item) : item)) : value;
}

/** Docker disables labels for a container in a namespace of the machine. */
function commonSecurity(value: Json): Json | undefined {
  const options = listOf(value, (option) => option.replace(/^(no-new-privileges)[:=]true$/, '$1'));
  if (!Array.isArray(options)) return options;
  const told = options.filter((option) => option !== 'label=disable');
  return told.length > 0 ? told : undefined;
}

function sortedList(value: Json): Json {
  if (!Array.isArray(value)) return value;
  return value.toSorted((a, b) => (canonicalText(a) < canonicalText(b) ? -1 : 1));
}

function without(value: Fields, ...keys: string[]): Fields {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));
}

/** Times in nanoseconds. */
const HEALTHCHECK_DEFAULTS: Fields = { Interval: 30e9, Timeout: 30e9, Retries: 3 };

/** A command counts by its words: podman-compose has a shell run what the file gives as a list. */
function commonHealthcheck(check: Fields): Fields {
  const set = Object.entries(without(check, 'StartInterval')).filter(
    ([key, value]) => HEALTHCHECK_DEFAULTS[key] !== value,
  );
  const { Test: test, ...times } = Object.fromEntries(set);
  if (!Array.isArray(test)) return { ...times, ...(test === undefined ? {} : { Test: test }) };
  const [form, ...words] = test.filter((word) => typeof word === 'string');
  const isCommand = form === 'CMD' || form === 'CMD-SHELL';
  return { ...times, Test: isCommand ? words.join(' ') : test };
}

/** Podman adds these options to every tmpfs. */
const TMPFS_DEFAULTS: ReadonlySet<string> = new Set([
  'rprivate',
  'nosuid',
  'nodev',
  'noexec',
  'tmpcopyup',
  'rw',
]);

/** A volume without a name is another one on each engine. podman-compose puts the names of project and service before its digits. */
const ANONYMOUS = /(?:^|_)[0-9a-f]{64}$/;

function commonMount({ options, ...mount }: Fields): Fields {
  const { volume } = mount;
  const rest = typeof volume === 'string' && ANONYMOUS.test(volume) ? { ...mount, volume: '' } : mount;
  if (typeof options === 'string') {
    const asked = options.split(',').filter((one) => !TMPFS_DEFAULTS.has(one));
    return { ...rest, ...(asked.length > 0 ? { options: asked.toSorted().join(',') } : {}) };
  }
  if (options === undefined || !isFields(options))
    return { ...rest, ...(options === undefined ? {} : { options }) };
  const told = without(options, 'volume', 'tmpfs');
  return { ...rest, ...(Object.keys(told).length > 0 ? { options: told } : {}) };
}

/** Those that containers of both engines have when nobody asks for any. Docker's others are named below. */
const COMMON_CAPABILITIES =
  'CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  );
/** Docker gives these to every container, and does not list them. Podman lists them for a container that asks for them. */
const DOCKER_CAPABILITIES: ReadonlySet<string> = new Set(['AUDIT_WRITE', 'MKNOD', 'NET_RAW']);
/** So many stand for all of them: Podman lists those that the machine knows. */
const MANY_CAPABILITIES = 20;

/** Podman tells what came of it all; Docker tells what was asked for. */
function withCapabilities(facts: Facts): Facts {
  const { cap_add: add, cap_drop: drop, ...rest } = facts;
  if (!add && !drop) return facts;
  const [added, dropped] = [namesIn(add), namesIn(drop)];
  const isAll = added.includes('ALL') || added.length > MANY_CAPABILITIES;
  const base = dropped.includes('ALL')
    ? []
    : COMMON_CAPABILITIES.filter((capability) => !dropped.includes(capability));
  const effective = isAll ? ['ALL'] : [...base, ...added].filter((one) => !DOCKER_CAPABILITIES.has(one));
  const names = [...new Set(effective)].toSorted();
  if (names.join() === COMMON_CAPABILITIES.join()) return rest;
  return { ...rest, cap_add: { value: names, origin: 'set' } };
}

const namesIn = (fact: Fact | undefined): string[] =>
  Array.isArray(fact?.value) ? fact.value.filter((name) => typeof name === 'string') : [];

/** Microseconds that a share of processors is given for when nobody says it. */
const CPU_PERIOD = 100_000;

/** A quota of a period is a number of processors. */
function withProcessors(facts: Facts): Facts {
  const { cpu_quota: quota, cpu_period: period, ...rest } = facts;
  if (typeof quota?.value !== 'number' || facts['cpus']) return facts;
  const length = typeof period?.value === 'number' ? period.value : CPU_PERIOD;
  return { ...rest, cpus: { value: Math.round((quota.value / length) * 1e9), origin: quota.origin } };
}
