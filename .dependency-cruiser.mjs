/**
 * The floors of `src/`, top to bottom. A file imports from its own room and from the floors below: never upwards, never from a room
 * beside it. A room is a folder, or a file of `src/` itself. Each file belongs to one (src/README.md says what is in them).
 */
const FLOORS = [
  ['main.ts', 'cli'],
  ['index.ts'],
  ['service-rollback.ts', 'migration.ts'],
  ['manager.ts'],
  ['kinds.ts', 'options.ts', 'work.ts'],
  ['migrate'],
  ['rollback'],
  ['runs'],
  ['points'],
  ['operations'],
  ['session'],
  ['handlers', 'volumes', 'project'],
  ['plan'],
  ['engine', 'store'],
  ['model'],
];

/** Rooms that see less than all floors below them. */
const NARROW = { main: ['cli', 'index.ts'], cli: ['index.ts'], plan: ['model'] };

const pathOf = (room) => `^src/${room.replace('.', '\\.')}${room.endsWith('.ts') ? '$' : '/'}`;
const ROOMS = FLOORS.flat();

const floorRules = FLOORS.flatMap((floor, level) =>
  floor.map((room) => {
    const below = NARROW[room.replace('.ts', '')] ?? FLOORS.slice(level + 1).flat();
    return {
      name: `floors: ${room}`,
      comment: `src/${room} imports from itself and from ${below.join(', ') || 'nothing else'}.`,
      severity: 'error',
      from: { path: pathOf(room) },
      to: { path: '^src/', pathNot: [room, ...below].map(pathOf) },
    };
  }),
);

export default {
  forbidden: [
    ...floorRules,
    {
      name: 'no floor',
      comment: 'Each file of src/ belongs to a room in the list of floors in .dependency-cruiser.mjs.',
      severity: 'error',
      from: { path: '^src/', pathNot: ROOMS.map(pathOf) },
      to: {},
    },
    {
      name: 'pure plan',
      comment: 'plan/ does no I/O.',
      severity: 'error',
      from: { path: pathOf('plan') },
      to: { dependencyTypes: ['core'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
