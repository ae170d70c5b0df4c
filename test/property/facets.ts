import { BUILD_FACETS } from './facets-build.js';
import { NETWORK_FACETS } from './facets-network.js';
import { PROCESS_FACETS } from './facets-process.js';
import { RESOURCE_FACETS } from './facets-resources.js';
import { STORAGE_FACETS } from './facets-storage.js';
import type { Facet } from './fragments.js';

/** Everything that a generated model may have, and that a case may change. */
export const FACETS: readonly Facet[] = [
  ...PROCESS_FACETS,
  ...RESOURCE_FACETS,
  ...NETWORK_FACETS,
  ...STORAGE_FACETS,
  ...BUILD_FACETS,
];

/** Changes of facets that a rollback may refuse before it touches anything, with the reason. */
export const MAY_BLOCK: Readonly<Record<string, string>> = {
  'volume definition': 'a volume whose definition differs is never recreated silently',
};
