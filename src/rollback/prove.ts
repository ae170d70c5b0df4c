import type { Operation, Plan } from '../model/plan.js';
import type { RunScope } from '../model/scope.js';
import type { Outcome } from '../operations/executor.js';
import type { SwappedData } from '../operations/performers.js';
import type { BegunRun } from '../runs/perform.js';
import type { PreparedPlan } from '../runs/prepare.js';
import { proveData, proveFacts, proveFiles } from '../runs/proof.js';

/** What a rollback is compared with its target by. */

interface ProvenRun extends Omit<PreparedPlan, 'fingerprint'> {
  swapped: ReadonlyMap<string, SwappedData>;
}

/** Files are proved before the first service starts, everything else at the end. */
export function proveRun(
  { workspace, plan, target, observation, swapped }: ProvenRun,
  scope: RunScope,
  perform: (operation: Operation) => Promise<Outcome>,
): Required<Pick<BegunRun<Plan>, 'perform' | 'prove'>> {
  let files: Promise<number> | undefined;
  const proveFilesOnce = () => (files ??= proveFiles(workspace, target, observation, scope));
  return {
    perform: async (operation) => {
      if (STARTING.has(operation.kind)) await proveFilesOnce();
      return await perform(operation);
    },
    prove: async () => {
      await proveData(swapped);
      const restored = plan.operations.filter(({ kind }) => kind === 'restore-volume').length;
      const services = scope.configOnly ? [] : provenServices(plan);
      return {
        files: await proveFilesOnce(),
        volumes: restored,
        ...(await proveFacts(workspace, target, services)),
      };
    },
  };
}

const STARTING: ReadonlySet<Operation['kind']> = new Set(['up', 'start', 'reload']);

/** Those that the plan keeps or makes: it says of the others why they cannot be as recorded. */
function provenServices({ unchanged, operations }: Plan): string[] {
  const touched = operations.flatMap((operation) => {
    if (operation.kind === 'up' || operation.kind === 'start' || operation.kind === 'stop')
      return operation.services;
    return operation.kind === 'reload' ? [operation.service] : [];
  });
  return [...new Set([...unchanged, ...touched])];
}
