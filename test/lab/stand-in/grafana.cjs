// Stands in for Grafana, which Debian has not got: /api/health as its documentation has it, and enough of /login.
// The "database" is a file in the data directory, as Grafana's default SQLite file is: take it away, and health fails.
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const database = path.join(process.env.GF_PATHS_DATA ?? '/var/lib/grafana', 'grafana.db');
const port = Number(process.env.GF_SERVER_HTTP_PORT ?? 3000);
fs.closeSync(fs.openSync(database, 'a'));

function health() {
  try {
    fs.accessSync(database, fs.constants.R_OK | fs.constants.W_OK);
    return 'ok';
  } catch {
    return 'failing';
  }
}

function send(response, status, type, body, headers = {}) {
  response.writeHead(status, { 'content-type': type, ...headers });
  response.end(body);
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://grafana');
  if (pathname === '/api/health' || pathname === '/healthz') {
    const state = health();
    const body = { commit: 'stand-in', database: state, version: '11.0.0' };
    send(
      response,
      state === 'ok' ? 200 : 503,
      'application/json; charset=UTF-8',
      `${JSON.stringify(body, null, 2)}\n`,
    );
  } else if (pathname === '/login') {
    send(
      response,
      200,
      'text/html; charset=UTF-8',
      '<!doctype html><title>Grafana</title><p>A stand-in.</p>\n',
    );
  } else if (pathname === '/') {
    send(response, 302, 'text/html; charset=utf-8', '', { location: '/login' });
  } else {
    send(response, 404, 'application/json; charset=UTF-8', '{"message":"Not found"}\n');
  }
});

server.listen(port, () =>
  process.stdout.write(`logger=http.server msg="HTTP Server Listen" address=[::]:${port} protocol=http\n`),
);
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => process.exit(0));
}
