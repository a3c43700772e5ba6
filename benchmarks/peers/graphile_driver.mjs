// graphile-worker: 24 jobs at a time. GRAPHILE_LOCAL_QUEUE=1: the settings of its page on performance.
import { createRequire } from "node:module";
const require = createRequire(process.env.PEER_MODULES + "/");
const { run, makeWorkerUtils, Logger } = require("graphile-worker");

const connectionString = process.env.PEER_URL;
const logger = new Logger(() => () => {});
const [command, count] = [process.argv[2], Number(process.argv[3])];

async function fill() {
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await utils.withPgClient(async (client) => {
    await client.query("DELETE FROM graphile_worker._private_jobs");
    const began = performance.now();
    await client.query(
      `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
         SELECT json_populate_record(NULL::graphile_worker.job_spec,
           json_build_object('identifier', 'no_op', 'payload', json_build_object('text', repeat('x', 150))))
         FROM generate_series(1, $1::int)))`, [count]);
    console.log(JSON.stringify({ count, seconds: (performance.now() - began) / 1000 }));
    await client.query("VACUUM ANALYZE graphile_worker._private_jobs");
  });
  await utils.release();
}

async function produce() {
  const utils = await makeWorkerUtils({ connectionString, logger });
  for (let n = 0; n < count; n += 1) {
    await utils.addJob("no_op", { at: Date.now() / 1000 });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await utils.release();
}

async function work() {
  let first = 0, last = 0, done = 0;
  const waits = [];
  const fast = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const runner = await run({
    preset: { worker: {
      connectionString, logger, concurrentJobs: 24, maxPoolSize: 25, pollInterval: 200,
      ...(process.env.GRAPHILE_LOCAL_QUEUE ? fast : {}),
    } },
    noHandleSignals: true,
    taskList: { no_op: async (payload) => {
      last = Date.now() / 1000;
      first ||= last;
      done += 1;
      if (payload.at) waits.push(last - payload.at);
    } },
  });
  process.on("SIGTERM", async () => {
    await runner.stop();
    console.log(JSON.stringify({ first, last, count: done, waits }));
    process.exit(0);
  });
}

await { fill, produce, work, listen: work }[command]();
