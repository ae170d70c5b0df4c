import { inconclusive, pass, type Verdict } from '../model/verdict.js';
import { everyContainer } from './containers.js';
import type { HandlerContext } from './handler.js';
import { describeAnswer, httpOfContainer, type HttpAnswer } from './http.js';
import { portOf } from './ports.js';
import { patienceOf, waitFor, waiting } from './waiting.js';

export interface HealthEndpoint {
  /** Where it is by custom; `health_path` overrides it. */
  path: string;
  /** The container port by custom, for kinds that have one. */
  port?: number;
  /** What is missing from an answer with a good status; undefined when nothing is. */
  lacks?: (answer: HttpAnswer) => string | undefined;
}

/** Asks the service's health endpoint until it answers with a 2xx status, for `health_timeout`. */
export async function httpHealth(context: HandlerContext, endpoint: HealthEndpoint): Promise<Verdict> {
  const path = context.config.health_path ?? endpoint.path;
  return await waitFor(context, patienceOf(context), async (timeout) =>
    everyContainer(context, async (container) => {
      const port = portOf(context, container, endpoint.port);
      if (port === undefined) {
        return inconclusive(`no port is known for ${context.service}: configure its "port" or a probe`);
      }
      return await httpOfContainer(context, container, port, path, { timeout }, (answer) => {
        const description = describeAnswer(path, answer);
        if (answer.status < 200 || answer.status > 299) return waiting(description);
        const lack = endpoint.lacks?.(answer);
        return lack === undefined ? pass(description) : waiting(`${description}, but ${lack}`);
      });
    }),
  );
}
