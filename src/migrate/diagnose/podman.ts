import { runProgram } from '../../engine/program.js';
import { findProgram } from '../../engine/search-path.js';
import { lastLines } from '../../handlers/containers.js';
import { withoutKeys } from '../../model/secrets.js';
import type { Finding } from './finding.js';

/** Whether Podman itself gets going for this user; nothing where there is no Podman. */
export async function findPodmanProblems(env: Record<string, string | undefined>): Promise<Finding[]> {
  const program = await findProgram('podman', env);
  if (program === undefined) return [];
  const { exitCode, stderr, problem } = await runProgram([program, 'info'], { env: withoutKeys(env) });
  if (exitCode === 0) return [];
  const evidence = lastLines(stderr) || problem || 'it says nothing';
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
