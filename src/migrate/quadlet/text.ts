import { RollbackError } from '../../model/errors.js';
import { quoted } from '../../model/names.js';

/** How a Quadlet unit is written: as Podman's generator reads it (podman-systemd.unit(5)), and systemd what that makes of it. */

const SECTIONS = ['Unit', 'Container', 'Volume', 'Network', 'Service', 'Install'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Line {
  section: Section;
  key: string;
  value: string;
}

/** A line of a unit, or in words what no line can say. */
export type Piece = Line | { remark: string };

export const line = (section: Section, key: string, value: string): Line => ({ section, key, value });
export const remark = (text: string): Piece => ({ remark: text });

/** An argument for podman: what has no key of its own, or a value that no key can hold. */
export function podmanArg(name: string, value?: string, section: Section = 'Container'): Line {
  return line(section, 'PodmanArgs', word(value === undefined ? `--${name}` : `--${name}=${value}`));
}

/** A key whose value is the rest of the line as it stands. */
export function option(key: string, arg: string, value: string): Line {
  return isPlain(value) ? line('Container', key, literal(value)) : podmanArg(arg, value);
}

/** Survives as the rest of a line: newer generators take quotes away at its ends, all of them blanks. */
export function isPlain(text: string): boolean {
  return text !== '' && !/^["'\s]|["'\s\\]$|\p{Cc}/u.test(text);
}

/** systemd would put something else in the place of `%h` and `$HOME`. */
export function literal(text: string): string {
  return text.replaceAll('%', () => '%%').replaceAll('$', () => '$$');
}

/** One of several words of a value. The generator ends reading at an empty one, quoted or not. */
export function word(text: string): string {
  if (/^[\w@%+=:,./$-]+$/.test(text)) return literal(text);
  return literal(`"${text.replace(/["\\\p{Cc}]/gu, escaped)}"`);
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  const code = character.charCodeAt(0);
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : character; // above, it would become a byte
}

/** Throws `unsafe` for what cannot name anything. */
export function named(text: string): string {
  if (/^[A-Za-z0-9_][\w.:@/-]*$/.test(text)) return text;
  throw new RollbackError('unsafe', `${quoted(text)} cannot stand in a unit as a name`, {
    hint: 'give it another name in the compose file',
  });
}

export function renderUnit(heading: string, lines: readonly Line[]): string {
  const sections = SECTIONS.flatMap((section) => {
    const own = lines.filter((one) => one.section === section);
    const distinct = new Set(own.map(({ key, value }) => `${key}=${value}`));
    return own.length === 0 ? [] : [`\n[${section}]\n${[...distinct].join('\n')}\n`];
  });
  return `# ${heading}\n${sections.join('')}`;
}
