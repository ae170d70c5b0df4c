/** One of everything that the model reads, in each syntax. */
export const RICH = `
services:
  web:
    image: busybox:latest
    command: sleep 1000
    container_name: rich-web
    environment: ["A=1", "B=a=b", "DOLLAR=x$$y", "FROM_ENV=\${GIVEN}", "DEFAULT=\${NOT_GIVEN:-fallback}", "NO_VALUE"]
    env_file: web.env
    labels: { rollback.handler: generic, count: "1" }
    ports:
      - "18080:80"
      - "127.0.0.1:18081:81/udp"
      - "9000"
      - { target: 82, published: 18082, protocol: tcp, mode: host }
      - "18090-18091:90-91"
    expose: ["7000", "7001"]
    volumes:
      - data:/data
      - ./conf:/conf:ro
      - /anonymous
      - { type: bind, source: ./conf/a.txt, target: /a.txt, read_only: true }
      - { type: volume, source: named, target: /named }
      - { type: tmpfs, target: /scratch }
    depends_on:
      db: { condition: service_healthy }
      once: { condition: service_completed_successfully }
    configs: [{ source: settings, target: /etc/settings }]
    secrets: [key]
    healthcheck: { test: ["CMD", "true"], interval: 10s, timeout: 3s, retries: 4 }
    restart: unless-stopped
  db:
    image: redis:7-alpine
    healthcheck: { test: redis-cli ping, interval: 2s, start_period: 500ms }
    scale: 2
  once:
    image: busybox:latest
    command: ["true"]
    depends_on: [db]
  built:
    build: ./img
  tool:
    image: busybox:latest
    profiles: [debug]
    network_mode: host
    healthcheck: { disable: true }
volumes:
  data:
  named: { name: my-own-name }
configs:
  settings: { file: ./conf/a.txt }
secrets:
  key: { file: ./key.txt }
`;

export const STACK = `
services:
  app: { image: busybox:latest, command: ["sleep", "1000"], init: true, environment: { V: "\${V:-1}" }, depends_on: [base] }
  base: { image: busybox:latest, command: ["sleep", "1000"], init: true }
  once: { image: busybox:latest, command: ["true"] }
`;
