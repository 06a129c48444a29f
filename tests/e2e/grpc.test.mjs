// SPDX-License-Identifier: Apache-2.0
// k6/net/grpc against a server that this project did not write: npm's grpc-js with its own proto loader and reflection.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { run, scratch } from '../support/lab.mjs';

const proto = `syntax = "proto3";
package lab.v1;
import "google/protobuf/timestamp.proto";
import "parts/colour.proto";
service Shop {
  rpc Get(Wanted) returns (Product);
  rpc List(Wanted) returns (stream Product);
  rpc Sum(stream Product) returns (Total);
  rpc Echo(stream Product) returns (stream Product);
}
message Wanted { int64 id = 1; repeated string labels = 2; map<string, int32> sizes = 3; }
message Product { int64 id = 1; string name = 2; double price = 3; parts.Colour colour = 4; bytes picture = 5; google.protobuf.Timestamp made = 6; optional int32 stock = 7; Wanted asked = 8; }
message Total { double price = 1; int32 count = 2; }
`;
const colour = 'syntax = "proto3"; package parts; enum Colour { RED = 0; BLUE = 5; }';
const health = `syntax = "proto3"; package grpc.health.v1; message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; } ServingStatus status = 1; }
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }`;

// A folder with the .proto files and a server over them; returns { folder, address, seen }.
async function serve(t, { credentials = grpc.ServerCredentials.createInsecure() } = {}) {
  const folder = scratch(t, { 'shop.proto': proto, 'health.proto': health }), seen = [];
  mkdirSync(join(folder, 'parts'));
  writeFileSync(join(folder, 'parts/colour.proto'), colour);
  const definition = loader.loadSync(['shop.proto', 'health.proto'].map((f) => join(folder, f)), { includeDirs: [folder], longs: String, enums: String, defaults: true, oneofs: true });
  const api = grpc.loadPackageDefinition(definition);
  const server = new grpc.Server();
  server.addService(api.lab.v1.Shop.service, {
    Get(call, done) {
      seen.push(call.metadata.getMap());
      const { id } = call.request;
      if (id === '404') return done({ code: grpc.status.NOT_FOUND, details: 'není 404', metadata: undefined });
      if (id === '999') return; // never answers
      const answer = new grpc.Metadata(), end = new grpc.Metadata();
      answer.set('x-answer', 'yes');
      end.set('x-end', 'done');
      call.sendMetadata(answer);
      done(null, { id, name: `product ${id}`, price: 9.5, colour: 'BLUE', picture: Buffer.from([1, 2, 255]), made: { seconds: 1700000000, nanos: 5e8 }, asked: call.request }, end);
    },
    List(call) {
      for (let i = 1; i <= 3; i++) call.write({ id: i, name: `p${i}`, price: i });
      if (call.request.id === '13') call.emit('error', { code: grpc.status.ABORTED, details: 'bad luck' });
      else call.end();
    },
    Sum(call, done) {
      let price = 0, count = 0;
      call.on('data', (p) => { price += p.price; count++; }).on('end', () => done(null, { price, count }));
    },
    Echo(call) {
      call.on('data', (p) => call.write({ ...p, name: `echo ${p.name}` })).on('end', () => call.end());
    },
  });
  server.addService(api.grpc.health.v1.Health.service, {
    Check: (call, done) => (call.request.service === 'nope' ? done({ code: grpc.status.NOT_FOUND, details: 'unknown service' }) : done(null, { status: 'SERVING' })),
  });
  new ReflectionService(definition).addToServer(server);
  const port = await new Promise((done, refuse) => server.bindAsync('127.0.0.1:0', credentials, (e, p) => (e ? refuse(e) : done(p))));
  t.after(() => server.forceShutdown());
  return { folder, address: `127.0.0.1:${port}`, seen };
}

async function script(server, text, args = []) {
  const file = join(server.folder, 's.js');
  writeFileSync(file, `import grpc from 'k6/net/grpc';\nimport { check } from 'k6';\nconst ADDRESS = '${server.address}';\n${text}`);
  const result = await run(['k6', 'run', '-q', '--log-format', 'json', ...args, file]);
  const lines = result.stderr.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
  return { ...result, lines, console: lines.filter((l) => l.source === 'console').map((l) => l.msg) };
}

test('unary calls: types both ways, metadata, statuses, deadlines, metrics', async (t) => {
  const server = await serve(t);
  const { code, console: out, stderr } = await script(server, `
const client = new grpc.Client();
const methods = client.load([], 'shop.proto');
export const options = { iterations: 2, thresholds: { 'grpc_req_duration{method:Get,service:lab.v1.Shop,status:0}': ['max<60000'], 'grpc_req_duration{kind:tagged}': ['max<60000'] } };
export default async () => {
  if (__ITER === 0) {
    console.log(methods.length, JSON.stringify(methods[1]));
    client.connect(ADDRESS, { plaintext: true });
  }
  const r = client.invoke('lab.v1.Shop/Get', { id: '7', labels: ['a', 'b'], sizes: { s: 1 } }, { metadata: { 'X-Me': 'k6', 'x-raw-bin': new Uint8Array([0, 255]).buffer }, tags: { kind: 'tagged' } });
  if (__ITER > 0) { console.log('again', r.message.name); return; }
  console.log(r.status === grpc.StatusOK, JSON.stringify(r.message));
  console.log(r.headers['x-answer'][0], r.trailers['x-end'][0], r.error);
  const missing = client.invoke('/lab.v1.Shop/Get', { id: 404 });
  console.log(missing.status === grpc.StatusNotFound, missing.message, JSON.stringify(missing.error));
  const late = client.invoke('/lab.v1.Shop/Get', { id: 999 }, { timeout: '100ms' });
  console.log(late.status === grpc.StatusDeadlineExceeded, late.error.message);
  const [a, b] = await Promise.all([1, 2].map((id) => client.asyncInvoke('lab.v1.Shop/Get', { id })));
  console.log(a.message.id, b.message.id);
  for (const f of [() => client.invoke('lab.v1.Shop/Nothing', {}), () => client.invoke('lab.v1.Shop/Get', { nothing: 1 }), () => client.invoke('lab.v1.Shop/List', {}), () => client.invoke('lab.v1.Shop/Get', {}, { nonsense: 1 })])
    try { f(); console.log('accepted'); } catch (e) { console.log('refused', e.message.split(':')[0]); }
};`);
  assert.equal(code, 0, stderr);
  const product = { id: '7', name: 'product 7', price: 9.5, colour: 'BLUE', picture: 'AQL/', made: '2023-11-14T22:13:20.500Z', asked: { id: '7', labels: ['a', 'b'], sizes: { s: 1 } } };
  assert.equal(out[0], `4 ${JSON.stringify({ package: 'lab.v1', service: 'Shop', full_method: '/lab.v1.Shop/List', name: 'List', is_client_stream: false, is_server_stream: true })}`);
  assert.match(out[1], /^true /);
  assert.deepEqual(JSON.parse(out[1].slice(5)), product);
  assert.deepEqual(out.slice(2), ['yes done null', 'true null {"code":5,"details":[],"message":"není 404"}', 'true context deadline exceeded', '1 2',
    'refused method "/lab.v1.Shop/Nothing" not found in file descriptors', 'refused unable to serialise request object to protocol buffer', 'refused the method /lab.v1.Shop/List streams',
    'refused unknown param', 'again product 7']);
  assert.equal(server.seen[0]['x-me'], 'k6');
  assert.deepEqual([...server.seen[0]['x-raw-bin']], [0, 255]);
  assert.match(server.seen[0]['user-agent'], /k6/);
});

test('streams: of the server, of the client, of both, errors, and their metrics', async (t) => {
  const server = await serve(t);
  const { code, console: out, stderr } = await script(server, `
const client = new grpc.Client();
client.load(['.'], 'shop.proto');
export const options = { thresholds: { grpc_streams: ['count==4'], grpc_streams_msgs_sent: ['count==7'], grpc_streams_msgs_received: ['count>=9'] } };
const open = (method, done) => {
  const stream = new grpc.Stream(client, 'lab.v1.Shop/' + method), got = [];
  stream.on('data', (m) => got.push(m.name ?? JSON.stringify(m)));
  stream.on('end', () => { console.log(method, got.join(), 'end'); done?.(); });
  stream.on('error', (e) => { console.log(method, got.length, 'error', e.code, e.message); done?.(); });
  return stream;
};
export default () => {
  client.connect(ADDRESS, { plaintext: true });
  const list = open('List', () => {
    const sum = open('Sum', () => {
      const echo = open('Echo', () => { const bad = open('List'); bad.write({ id: 13 }); bad.end(); });
      for (const name of ['a', 'b']) echo.write({ name });
      echo.end();
    });
    for (const price of [1, 2, 3.5]) sum.write({ price });
    sum.end();
  });
  list.write({ id: 1 });
  list.end();
  console.log('default function ends');
};`);
  assert.equal(code, 0, stderr);
  assert.deepEqual(out.slice(0, 4), ['default function ends', 'List p1,p2,p3 end', 'Sum {"price":6.5,"count":3} end', 'Echo echo a,echo b end']);
  assert.match(out[4], /^List \d error 10 bad luck$/);
});

test('reflection, health checks, close and connect again', async (t) => {
  const server = await serve(t);
  const { code, console: out, stderr } = await script(server, `
const client = new grpc.Client();
export default () => {
  for (let i = 0; i < 2; i++) {
    client.connect(ADDRESS, { plaintext: true, reflect: true });
    console.log(client.invoke('lab.v1.Shop/Get', { id: i }).message.made);
    const h = client.healthCheck();
    console.log(h.status, h.message.status === grpc.HealthCheckServing, client.healthCheck('nope').status === grpc.StatusNotFound);
    client.close();
    client.close();
  }
  try { client.invoke('lab.v1.Shop/Get', {}); } catch (e) { console.log(e.message); }
};`);
  assert.equal(code, 0, stderr);
  assert.deepEqual(out, ['2023-11-14T22:13:20.500Z', '0 true true', '2023-11-14T22:13:20.500Z', '0 true true', 'no gRPC connection, you must call connect first']);
});

test('many VUs over many iterations share what they load, and none loses its connection', async (t) => {
  const server = await serve(t);
  const { code, stdout, stderr } = await script(server, `
const client = new grpc.Client();
client.load([], 'shop.proto');
export const options = { vus: 20, iterations: 400, thresholds: { checks: ['rate==1'] } };
export default () => {
  if (__ITER === 0) client.connect(ADDRESS, { plaintext: true });
  const r = client.invoke('lab.v1.Shop/Get', { id: __VU * 1000 + __ITER });
  check(r, { mine: (x) => x.message && x.message.id === String(__VU * 1000 + __ITER) });
};`);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /checks_succeeded\.*: 100.00% 400 out of 400/);
  assert.match(stdout, /grpc_req_duration/);
});

test('TLS, and what cannot be reached or loaded', async (t) => {
  const files = scratch(t);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(files, 'k.pem'), '-out', join(files, 'c.pem'), '-days', '3', '-subj', '/CN=localhost'], { stdio: 'ignore' });
  const credentials = grpc.ServerCredentials.createSsl(null, [{ private_key: readFileSync(join(files, 'k.pem')), cert_chain: readFileSync(join(files, 'c.pem')) }]);
  const server = await serve(t, { credentials });
  const text = `
const client = new grpc.Client();
client.load([], 'shop.proto');
export default () => {
  try { client.connect(ADDRESS, { timeout: '5s' }); console.log(client.invoke('lab.v1.Shop/Get', { id: 5 }).message.name); } catch (e) { console.log('refused', e.message); }
  try { client.connect('127.0.0.1:1', { plaintext: true, timeout: '1s' }); } catch (e) { console.log('dead', e.message); }
  try { client.connect(ADDRESS, { colour: 1 }); } catch (e) { console.log(e.message); }
};`;
  const fine = await script(server, text, ['--insecure-skip-tls-verify']);
  assert.equal(fine.console[0], 'product 5', fine.stderr);
  assert.match(fine.console[1], /^dead .*refused/);
  assert.match(fine.console[2], /unknown connect param/);
  assert.match((await script(server, text)).console[0], /^refused .*(x509|certificate)/);
  const broken = await script(server, "new grpc.Client().load([], 'parts/none.proto'); export default () => {};");
  assert.equal(broken.code, 107);
  assert.match(broken.stderr, /parts\/none\.proto/);
});

test('a protoset is loaded', async (t) => {
  const server = await serve(t), parts = [];
  const definition = loader.loadSync(join(server.folder, 'shop.proto'), { includeDirs: [server.folder] });
  for (const file of definition['lab.v1.Product'].fileDescriptorProtos) { // FileDescriptorSet: repeated FileDescriptorProto file = 1
    const length = [];
    for (let n = file.length; ; n >>= 7) {
      length.push(n > 127 ? (n & 127) | 128 : n);
      if (n <= 127) break;
    }
    parts.push(Buffer.from([10, ...length]), file);
  }
  writeFileSync(join(server.folder, 'shop.pb'), Buffer.concat(parts));
  const { console: out, stderr } = await script(server, `
const client = new grpc.Client();
const methods = client.loadProtoset('shop.pb');
export default () => { client.connect(ADDRESS, { plaintext: true }); console.log(methods.length, client.invoke('lab.v1.Shop/Get', { id: 3 }).message.colour); };`);
  assert.deepEqual(out, ['4 BLUE'], stderr);
});
