// The example's API: a small HTTP service whose health depends on Redis.
//   GET /         who answers, as JSON
//   GET /health   200 when Redis answers, 503 when it does not
//   GET /metrics  for Prometheus
const http = require('node:http');
const net = require('node:net');

const version = process.env.API_VERSION ?? 'unknown';
const port = Number(process.env.PORT ?? 8000);
const redis = { host: process.env.REDIS_HOST ?? 'redis', port: Number(process.env.REDIS_PORT ?? 6379) };
const startedAt = Date.now();
let requests = 0;

// Redis' protocol is plain enough to need no client for this: an array of one bulk string asks, "+PONG" answers.
function pingRedis() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(redis);
    let reply = '';
    socket.setTimeout(1000, () => socket.destroy(new Error('redis does not answer')));
    socket.on('connect', () => socket.write('*1\r\n$4\r\nPING\r\n'));
    socket.on('data', (data) => {
      reply += data;
      if (!reply.includes('\r\n')) return;
      socket.destroy();
      if (reply.startsWith('+PONG')) resolve();
      else reject(new Error(`redis answered ${reply.trim()}`));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('redis closed the connection')));
  });
}

function sendJson(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

function sendMetrics(response) {
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
  response.end(
    [
      '# TYPE api_info gauge',
      `api_info{version="${version}"} 1`,
      '# TYPE api_requests_total counter',
      `api_requests_total ${requests}`,
      '# TYPE api_uptime_seconds gauge',
      `api_uptime_seconds ${(Date.now() - startedAt) / 1000}`,
      '',
    ].join('\n'),
  );
}

async function sendHealth(response) {
  try {
    await pingRedis();
    sendJson(response, 200, { status: 'ok', version, redis: 'ok' });
  } catch (error) {
    sendJson(response, 503, { status: 'unavailable', version, redis: error.message });
  }
}

const server = http.createServer((request, response) => {
  requests += 1;
  const { pathname } = new URL(request.url, 'http://api');
  if (pathname === '/') sendJson(response, 200, { service: 'api', version });
  else if (pathname === '/health') void sendHealth(response);
  else if (pathname === '/metrics') sendMetrics(response);
  else sendJson(response, 404, { error: 'not found' });
});

server.listen(port, () => process.stdout.write(`api ${version} listens on port ${port}\n`));

// Process 1 of a container gets no default signal handling: without this a stop takes its whole grace time.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
