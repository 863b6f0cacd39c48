// Serves one local Supabase: node server.mjs migrate|serve PROJECT_DIR PORT MAILBOX_DIR
//
// PROJECT_DIR holds supabase/config.json and supabase/migrations, as local_stack/stack.py lays them out. The
// database is reached by PGHOST, PGUSER and SUPABASE_DB_URL. `serve` prints one line `ready PORT` when it listens.
import { mkdir, rename, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { applyPendingMigrations, createApi } from "@supabase/lite/cli";

const [mode, root, port, mailbox] = process.argv.slice(2);

// A message is written beside its place and moved there, so that a reader never sees half of one.
const email = {
  async send({ to, subject, text, html }) {
    await mkdir(mailbox, { recursive: true, mode: 0o700 });
    const at = new Date().toISOString();
    const token_hash = /token_hash=([A-Za-z0-9._~-]+)/.exec(html ?? "")?.[1] ?? null;
    const link = /href="([^"]+)"/.exec(html ?? "")?.[1]?.replaceAll("&amp;", "&") ?? null;
    const type = link ? new URL(link).searchParams.get("type") : null;
    const code = /\b\d{6}\b/.exec((html ?? text ?? "").replace(/<[^>]*>/g, " ").replace(/https?:\S+/g, " "))?.[0] ?? null;
    const name = `${at.replace(/[:.]/g, "-")}-${randomUUID()}.json`;
    const message = { to, subject, text, html, at, link, token_hash, type, code };
    await writeFile(join(mailbox, `.${name}`), JSON.stringify(message), { mode: 0o600 });
    await rename(join(mailbox, `.${name}`), join(mailbox, name));
  },
};

// Two answers differ from the hosted service in ways that supabase-py rejects: auth timestamps without a `T`,
// and a signed URL under another key.
const TIMESTAMP = /"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00"/g;
async function asHosted(path, response) {
  const isJson = response.headers.get("content-type")?.includes("json");
  const signs = path.startsWith("/storage/v1/object/sign/");
  if (!isJson || !(path.startsWith("/auth/v1/") || signs)) return response;
  let body = (await response.text()).replace(TIMESTAMP, '"$1T$2+00:00"');
  if (signs) body = body.replaceAll('"signedUrl"', '"signedURL"');
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  return new Response(body, { status: response.status, statusText: response.statusText, headers });
}

const api = await createApi({ root });
const app = await api.project.local.createApp(undefined, { admin: false });
app.drivers.email = email;
const { applied } = await applyPendingMigrations(app);
console.error(`migrations applied: ${applied?.length ?? 0}`);
if (mode === "migrate") process.exit(0);

// At the first request after every start, Lite would give the three API roles ALL on every table of each schema that
// has row-level security, and undo what the migrations revoked. It is told that this is done; its own storage schema,
// whose tables carry policies of their own, does need the grants.
const connection = app._connection;
connection.rlsState = "active";
for (const what of ["usage on schema storage", "all on all tables in schema storage"]) {
  await connection.exec(`grant ${what} to anon, authenticated, service_role`);
}

// Lite has made JSON of a json argument already; its Postgres driver would do it again, and a function would be handed
// a string instead of the array or object that was sent. The oids are those of json and jsonb.
const isJson = (text) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
for (const oid of [114, 3802]) {
  connection.driver.options.serializers[oid] = (value) =>
    typeof value === "string" && isJson(value) ? value : JSON.stringify(value);
}

const server = serve(
  {
    hostname: "127.0.0.1",
    port: Number(port),
    async fetch(request, env) {
      const path = new URL(request.url).pathname;
      if (path === "/health") return Response.json({ ok: true });
      const answer = await app.fetch(request, { peerAddress: env.incoming.socket.remoteAddress ?? null });
      return asHosted(path, answer);
    },
  },
  (address) => console.log(`ready ${address.port}`),
);
server.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections?.();
  });
}
