import type { Command } from 'commander';
import { aged, bytes, notCoveredBy, type Point } from '../../index.js';
import { failingLines } from '../points.js';
import type { Session } from '../session.js';
import { columns, indented, printable, utc } from '../text.js';

export function define(command: Command, session: () => Session): void {
  command
    .argument('<point>', 'id, unique prefix of one, name, latest, latest~1')
    .action((point: string) => show(session(), point));
}

async function show(session: Session, selector: string): Promise<void> {
  const { output } = session;
  const point = await session.manager().showRollbackPoint(selector);
  output.document(point);
  output.print(output.style('bold', `[${point.id}]`), ...indented(facts(point)));
  output.print(...section('Services', services(point)));
  output.print(...section('Configuration', configuration(point)));
  output.print(
    ...section(
      'Outside the project',
      point.outside.map(({ path }) => path),
    ),
  );
  output.print(...section('Failing at that time', failingLines(point)));
  output.print(
    ...section(
      'Not covered',
      notCoveredBy(point).map(({ what, reason }) => `${what}: ${reason}`),
    ),
  );
  output.print(...section('Warnings', point.warnings));
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...indented(lines.map(printable))];
}

function facts(point: Point): string[] {
  const { metadata, project } = point;
  const { engine, provider } = metadata;
  const rows: [string, string | null][] = [
    ['Description', point.description || null],
    ['Name', point.name],
    ['Created', `${utc(point.timestamp)} (${aged(point.timestamp, new Date().toISOString(), 'ago')})`],
    ['Kind', point.kind],
    ['Pinned', point.pinned ? 'yes' : null],
    ['Project', `${project.name} in ${project.directory}`],
    ['Compose files', project.files.join(', ') || null],
    ['Profiles', project.profiles.join(', ') || null],
    ['Git', git(point)],
    ['Volumes', point.volumes.join(', ') || null],
    ['Dumps', point.dumps.map(({ service }) => service).join(', ') || null],
    ['Size', bytes(point.sizes.total)],
    ['Made by', `${metadata.user} on ${metadata.hostname}, compose-rollback ${metadata.tool_version}`],
    ['Made with', `${engine.kind} ${engine.version}, ${provider.name} ${provider.version}`],
    ['Run', metadata.run],
  ];
  return columns(rows.flatMap(([label, value]) => (value === null ? [] : [[`${label}:`, printable(value)]])));
}

function git({ metadata }: Point): string | null {
  const { git_commit, git_branch, git_dirty } = metadata;
  if (git_commit === null) return null;
  const branch = git_branch === null ? '' : ` on ${git_branch}`;
  return `${git_commit.slice(0, 8)}${branch}${git_dirty === true ? ', with uncommitted changes' : ''}`;
}

function services({ services: names, containers, images, docker_images }: Point): string[] {
  return columns(
    names.map((name) => {
      const { state = 'stopped', replicas = 0, running = 0 } = containers[name] ?? {};
      const condition = replicas === 0 ? 'no container' : state;
      const count = replicas > 1 ? ` ${running}/${replicas}` : '';
      const image = images[name];
      const id = image ? image.id.replace(/^sha256:/, '').slice(0, 12) : '';
      return [name, condition + count, image?.ref ?? docker_images[name] ?? '', id];
    }),
  );
}

function configuration({ entries }: Point): string[] {
  return columns(
    entries.map((entry) => {
      switch (entry.type) {
        case 'file':
          return [
            entry.path,
            `${bytes(entry.size)}${entry.unsteady ? ', written while it was recorded' : ''}`,
          ];
        case 'symlink':
          return [entry.path, `-> ${entry.target}`];
        case 'directory':
          return [`${entry.path}/`, ''];
        case 'absent':
          return [entry.path, 'absent'];
      }
    }),
  );
}
