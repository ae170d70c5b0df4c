import { runProgram } from '../../engine/program.js';
import { findProgram } from '../../engine/search-path.js';
import { lastLines } from '../../handlers/containers.js';
import { withoutKeys } from '../../model/secrets.js';
import type { Finding } from './finding.js';

type Environment = Record<string, string | undefined>;

/** What Podman, called with these options of its own, says when it does not get going; undefined when it does, or where there is none. */
export async function whyPodmanFails(env: Environment, options: string[] = []): Promise<string | undefined> {
  const program = await findProgram('podman', env);
  if (program === undefined) return undefined;
  const call = [program, ...options, 'info'];
  const { exitCode, stderr, problem } = await runProgram(call, { env: withoutKeys(env) });
  return exitCode === 0 ? undefined : lastLines(stderr) || problem || 'it says nothing';
}

/** Whether Podman itself gets going for this user; nothing where there is no Podman. */
export async function findPodmanProblems(env: Environment): Promise<Finding[]> {
  const evidence = await whyPodmanFails(env);
  if (evidence === undefined) return [];
  const broken = /containers\.conf|toml/i.test(evidence);
  return [
    {
      scenario: 'permission-issues',
      service: null,
      cause: broken ? 'a containers.conf is broken' : 'Podman does not start for this user',
      evidence: `podman info: ${evidence}`,
      fix: broken
        ? 'correct what Podman names, or move that file aside: it does without'
        : 'mend what Podman names, until `podman info` works',
    },
  ];
}
