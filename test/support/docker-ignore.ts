/** What `.dockerignore` files leave out of a build, and what they do not. */

export interface DockerIgnoreCase {
  text: string;
  ignored: string[];
  taken: string[];
}

const INDEX = 'rollback/backups/index.db';
const SECRET = 'rollback/backups/rb-000000000000/configs/.env';
const APP = 'app.js';

export const DOCKER_IGNORE_CASES: DockerIgnoreCase[] = [
  { text: '', ignored: [], taken: [INDEX, SECRET, APP] },
  { text: 'rollback\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: 'rollback/backups/\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '\uFEFF./rollback//backups/../backups\r\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '/rollback\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '# rollback\n#rollback\n  \n', ignored: [], taken: [INDEX, SECRET] },
  { text: '  rollback  \n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '.env\n', ignored: [], taken: [INDEX, SECRET] },
  { text: '**/.env\n', ignored: [SECRET], taken: [INDEX, APP] },
  { text: '**/backups\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: 'backups\n', ignored: [], taken: [INDEX, SECRET] },
  { text: 'roll*\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '*\n!app.js\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '!app.js\n*\n', ignored: [INDEX, SECRET, APP], taken: [] },
  { text: '*\n!rollback\n', ignored: [APP], taken: [INDEX, SECRET] },
  { text: 'rollback\n!rollback/backups/*.db\n', ignored: [SECRET], taken: [INDEX] },
  { text: 'rollback\n!**/.env\n', ignored: [INDEX], taken: [SECRET] },
  { text: 'rollback/backups\n!rollback\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: 'rollback/**\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: 'rollback/**/configs\n', ignored: [SECRET], taken: [INDEX] },
  { text: '**/rb-*/**\n', ignored: [SECRET], taken: [INDEX] },
  { text: 'rollback/backups/rb-????????????\n', ignored: [SECRET], taken: [INDEX] },
  { text: 'roll[a-c]ack\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: 'roll[^a-c]ack\n', ignored: [], taken: [INDEX, SECRET] },
  { text: '**back\n', ignored: [INDEX, SECRET], taken: [APP] },
  { text: '**\n', ignored: [INDEX, SECRET, APP], taken: [] },
  { text: 'Rollback\n', ignored: [], taken: [INDEX, SECRET] },
];
