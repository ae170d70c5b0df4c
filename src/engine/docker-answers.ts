import { IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { callbackify } from 'node:util';
import type Dockerode from 'dockerode';
import { RollbackError } from '../model/errors.js';

/**
 * Has every answer that is no stream read to its end by us: docker-modem waits for ever for the rest of one whose connection broke, and gives
 * JSON that ends early as bytes. What is not JSON comes as bytes.
 */
export function readWholeAnswers({ modem }: Dockerode): void {
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    if (options.isStream || options.openStdin || options.hijack) {
      dial(options, callback);
      return;
    }
    dial({ ...options, isStream: true }, (error, answer) => {
      if (error || !callback || !(answer instanceof IncomingMessage)) {
        callback?.(error, answer);
        return;
      }
      if (options.abortSignal) addAbortSignal(options.abortSignal, answer);
      callbackify(wholeOf)(answer, callback);
    });
  };
}

async function wholeOf(answer: IncomingMessage): Promise<object> {
  const bytes = await buffer(answer);
  return answer.headers['content-type']?.startsWith('application/json')
    ? parseAnswer(bytes.toString())
    : bytes;
}

/** JSON of the engine's. Throws `failed` when it ends early. */
export function parseAnswer(text: string) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RollbackError('failed', "the engine's answer broke off", {
      hint: 'look whether the engine still runs, and at what is between it and us',
      cause,
    });
  }
}
