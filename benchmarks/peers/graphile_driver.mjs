// graphile-worker: 24 jobs at a time. GRAPHILE_LOCAL_QUEUE=1: the settings of its page on performance.
import { createRequire } from "node:module";
const require = createRequire(process.env.PEER_MODULES + "/");
const { run, makeWorkerUtils, Logger } = require("graphile-worker");

const connectionString = process.env.PEER_URL;
const logger = new Logger(() => () => {});

async function fill(count) {
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await utils.withPgClient(async (client) => {
    await client.query("DELETE FROM graphile_worker._private_jobs");
    await client.query(
      `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
         SELECT json_populate_record(NULL::graphile_worker.job_spec,
           json_build_object('identifier', 'no_op', 'payload', json_build_object('text', repeat('x', 150))))
         FROM generate_series(1, $1::int)))`, [count]);
    await client.query("VACUUM ANALYZE graphile_worker._private_jobs");
  });
  await utils.release();
}

async function work() {
  let first = 0, last = 0, count = 0;
  const fast = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const runner = await run({
    preset: { worker: {
      connectionString, logger, concurrentJobs: 24, maxPoolSize: 25, pollInterval: 200,
      ...(process.env.GRAPHILE_LOCAL_QUEUE ? fast : {}),
    } },
    noHandleSignals: true,
    taskList: { no_op: async () => { last = Date.now() / 1000; first ||= last; count += 1; } },
  });
  process.on("SIGTERM", async () => {
    await runner.stop();
    console.log(JSON.stringify({ first, last, count }));
    process.exit(0);
  });
}

await (process.argv[2] === "fill" ? fill(Number(process.argv[3])) : work());
