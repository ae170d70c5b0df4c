import { RollbackError } from '../model/errors.js';
import { quoted } from '../model/names.js';

/** An image reference in its parts: `registry:5000/team/api:v1@sha256:…`. */
export interface Reference {
  /** With the registry, without tag and digest: `registry:5000/team/api`. */
  repository: string;
  tag: string | undefined;
  digest: string | undefined;
}

// A registry is told from a path by its dot, its port, or being localhost: only then may a colon follow it.
const REGISTRY = String.raw`(?:(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost)(?::\d+)?|[A-Za-z0-9-]+:\d+|\[[0-9a-fA-F:]+\](?::\d+)?)`;
const COMPONENT = String.raw`[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*`;
const REFERENCE = new RegExp(
  String.raw`^((?:${REGISTRY}/)?${COMPONENT}(?:/${COMPONENT})*)(?::([\w][\w.-]{0,127}))?(?:@([a-z0-9+._-]+:[0-9a-fA-F]{32,}))?$`,
);
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

/** The parts of an image reference; undefined for text that is none, image ids included. */
export function parseReference(text: string): Reference | undefined {
  if (IMAGE_ID.test(text)) return undefined;
  const match = REFERENCE.exec(text);
  if (match?.[1] === undefined) return undefined;
  return { repository: match[1], tag: match[2], digest: match[3] };
}

/** `repository` and `tag` (`latest` when none) of a reference that a tag can be. Throws `usage` for digests, ids and nonsense. */
export function parseTag(text: string): { repository: string; tag: string } {
  const reference = parseReference(text);
  if (reference === undefined) {
    throw new RollbackError('usage', `${quoted(text)} is not an image reference`, {
      hint: 'give name:tag, for example redis:7-alpine or registry.example.com:5000/team/api:v1',
    });
  }
  if (reference.digest !== undefined) {
    throw new RollbackError(
      'usage',
      `${quoted(text)} names an image by digest, and a digest cannot be moved`,
      {
        hint: 'give name:tag',
      },
    );
  }
  return { repository: reference.repository, tag: reference.tag ?? 'latest' };
}

/** What Docker means by a name, its registry included. */
export function qualified(name: string): string {
  const [first = '', ...rest] = name.split('/');
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}
