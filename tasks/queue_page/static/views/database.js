import { ask, live } from "../data.js";
import { bytes, card, duration, el, number, percent, table, tile, tiles, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Database and pools"), region);
  live(region, () => ask("database"), ({ server, database_bytes: size, connections_percent: used, pool, replica, slow, snapshots, tables: allTables, levels }) => [
    tiles(5,
      tile("Postgres", server.server_version.split(" ")[0], `up ${duration(server.up_seconds)}${server.is_replica ? ", a replica" : ""}`),
      tile("Connections", percent(used), `${number(server.connection_count)} of ${number(server.connection_limit)}`, kind(levels.connections)),
      tile("Workers' pools", percent(pool.utilization_percent), `${number(pool.in_use)} of ${number(pool.capacity)}`, kind(levels.pool)),
      ...(replica ? [tile("Replica", replica.lag_seconds === null ? "no answer" : duration(replica.lag_seconds), "behind the primary",
        replica.lag_seconds === null ? "warning" : "")] : []),
      tile("Size", bytes(size), "of the whole database"),
      tile("Oldest snapshot", snapshots.length ? duration(snapshots[0].seconds) : "none", snapshots.length ? snapshots[0].holder : "nothing holds back vacuum",
        kind(levels.snapshot))),
    card("Who holds back vacuum", table("Held snapshots", [
      ["Holder", (s) => s.holder], ["Kind", (s) => s.kind], ["State", (s) => s.state ?? "–"],
      ["For", (s) => duration(s.seconds), "number"], ["Transactions since", (s) => number(s.transactions), "number"],
    ], snapshots, "Nobody.")),
    card("Slow statements", table("Slow statements", [
      ["Process", (s) => `${s.application_name || "no name"} (${s.pid})`], ["For", (s) => duration(s.seconds), "number"],
      ["Waits for", (s) => s.wait_event_type ?? "–"], ["Blocked by", (s) => s.blocked_by.join(", ") || "–"],
      ["Statement", (s) => el("code", { class: "queue-error-text" }, s.statement)],
    ], slow, "None runs for longer than a second.")),
    card("Connections", table("Connections by application", [
      ["Application", (c) => c.application_name], ["Open", (c) => number(c.connection_count), "number"],
      ["Active", (c) => number(c.active_count), "number"], ["Waiting for a lock", (c) => number(c.waiting_count), "number"],
      ["Idle in transaction", (c) => number(c.idle_in_transaction_count), "number"],
    ], server.connections)),
    card("Tables", table("Tables", [
      ["Table", (t) => t.table_name], ["Size", (t) => bytes(t.bytes), "number"], ["Rows", (t) => number(t.live_rows), "number"],
      ["Dead rows", (t) => number(t.dead_rows), "number"], ["Vacuumed", (t) => when(t.vacuumed_at)],
    ], allTables)),
  ]);
}

function kind(level) {
  return level === "critical" ? "danger" : level ?? "";
}
