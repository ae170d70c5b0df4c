import { describe, expect, it } from 'vitest';
import { isPluginName, pluginMetadata, translatePluginCall } from '../../src/cli/plugin.js';
import { isCallable } from '../../src/cli/program.js';
import { VERSION } from '../../src/index.js';

const translated = (line: string) => translatePluginCall(line.split(' ').filter(Boolean), isCallable);

describe('a call by docker', () => {
  it.each([
    // as docker calls it
    ['rollback create --name x', 'create --name x'],
    ['rollback list', 'list'],
    ['rollback snapshot x', 'snapshot x'],
    ['rollback', ''],
    ['rollback --help', '--help'],
    ['rollback help create', 'help create'],
    ['rollback --version', '--version'],
    ['rollback --json list', '--json list'],
    ['rollback -p shop -f a.yaml list', '-p shop -f a.yaml list'],
    ['rollback list -f', 'list -f'],
    ['rollback rollback rb-1', 'rollback rb-1'],
    ['rollback rollback', 'rollback'],
    ['rollback rollback --dry-run', 'rollback --dry-run'],
    // nothing callable would be left: the command itself was meant
    ['rollback rb-1', 'rollback rb-1'],
    ['rollback latest --dry-run', 'rollback latest --dry-run'],
    ['rollback --dry-run', 'rollback --dry-run'],
    ['rollback --yes stable', 'rollback --yes stable'],
    // called directly
    ['create x', 'create x'],
    ['list', 'list'],
    ['', ''],
    // docker's own flags before the plugin's name
    ['--context far rollback list', '--context far list'],
    ['-c far rollback list', '--context far list'],
    ['-H tcp://far:1 rollback list', '--host tcp://far:1 list'],
    ['--host=tcp://far:1 rollback rb-1', '--host tcp://far:1 rollback rb-1'],
    ['-D --log-level debug rollback list', '--verbose list'],
    // docker's completion
    ['__complete rollback sho', '__complete sho'],
    ['__complete rollback rollback x', '__complete rollback x'],
    ['__complete --context far rollback x', '__complete --context far x'],
  ])('%s -> %s', (line, expected) => {
    expect(translated(line).argv.join(' ')).toBe(expected);
  });

  it("puts docker's --config into the environment", () => {
    expect(translated('--config /etc/docker rollback list')).toEqual({
      argv: ['list'],
      env: { DOCKER_CONFIG: '/etc/docker' },
    });
  });

  it("refuses docker's TLS flags instead of connecting without them", () => {
    expect(() => translated('--tlsverify rollback list')).toThrow(/--tlsverify is not passed on/);
  });
});

it('answers the question that docker asks of every plugin', () => {
  expect(pluginMetadata(['docker-cli-plugin-metadata'])).toMatchObject({
    SchemaVersion: '0.1.0',
    Vendor: 'compose-rollback',
    Version: VERSION,
  });
  expect(pluginMetadata(['list'])).toBeUndefined();
});

it.each([
  ['/usr/libexec/docker/cli-plugins/docker-rollback', true],
  ['/usr/bin/compose-rollback', false],
  ['/opt/docker-rollback/dist/main.js', false],
])('%s is called as a plugin: %s', (program, expected) => {
  expect(isPluginName(program)).toBe(expected);
});
