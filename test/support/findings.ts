import type { Findings } from '../../src/model/plan.js';

/** Nothing stands in the way of a plan. */
export const noFindings: Findings = {
  damaged: [],
  modelError: undefined,
  definitions: {},
  takenPorts: [],
  takenNames: [],
  addressing: { networks: {}, machine: [], held: [] },
  missingExternal: [],
  missingVolumes: [],
  missingBinds: [],
  lostVolumes: [],
  lostNetworks: [],
  disconnected: {},
  otherContents: [],
  otherwiseDefined: {},
  volumes: {},
  pullable: [],
  neighbours: [],
  commitMissing: false,
  missingBytes: 0,
};
