// A release that should not have shipped: it starts and answers, but its health check does not pass.
const http = require('node:http');

const version = process.env.API_VERSION ?? 'unknown';
const port = Number(process.env.PORT ?? 8000);

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://api');
  const broken = pathname === '/health';
  const body = broken
    ? { status: 'error', version, error: 'schema is newer than the code' }
    : { service: 'api', version };
  response.writeHead(broken ? 500 : 200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
});

server.listen(port, () => process.stdout.write(`api ${version} listens on port ${port}\n`));
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => process.exit(0));
}
