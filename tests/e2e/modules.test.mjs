// SPDX-License-Identifier: Apache-2.0
// The k6 modules beyond what the conformance cases show: against servers that this project did not write, and node's own crypto.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey, pbkdf2Sync, verify } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { run, scratch } from '../support/lab.mjs';

// Runs a script; returns its console lines and the rest.
async function script(t, text, { name = 's.js', files = {}, args = [], env } = {}) {
  const folder = scratch(t, { ...files, [name]: text });
  const result = await run(['k6', 'run', '-q', '--log-format', 'json', ...args, join(folder, name)], { env });
  const lines = result.stderr.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
  return { ...result, folder, lines, console: lines.filter((l) => l.source === 'console').map((l) => l.msg) };
}

async function websocketServer(t, options, onConnection) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  server.on('connection', onConnection);
  await new Promise((done) => server.on('listening', done));
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${server.address().port}/chat`;
}

test('k6/websockets talks to the npm server: text, binary, fragments, compression, ping, close with a reason', async (t) => {
  const seen = [];
  const url = await websocketServer(t, { perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }, handleProtocols: (set) => [...set][1] }, (socket, req) => {
    seen.push(req.headers['x-lab'], req.headers['sec-websocket-extensions'] ?? 'none');
    socket.on('ping', () => seen.push('ping'));
    socket.on('close', (code, reason) => seen.push(`close ${code} ${reason}`));
    socket.on('message', (data, isBinary) => {
      if (!isBinary && String(data) === 'parts') {
        socket.send('one ', { fin: false });
        socket.send('two ', { fin: false });
        socket.send('three', { fin: true });
      } else {
        socket.send(data, { binary: isBinary });
      }
    });
  });
  const source = `import { WebSocket } from 'k6/websockets';
export const options = { thresholds: { ws_sessions: ['count==2'], ws_msgs_sent: ['count==8'], ws_msgs_received: ['count==8'], ws_ping: ['max<60000'] } };
function session(compression, done) {
  const ws = new WebSocket('${url}', ['a', 'b'], { headers: { 'X-Lab': 'yes' }, ...(compression && { compression }) });
  const got = [];
  ws.binaryType = 'arraybuffer';
  ws.onopen = () => { got.push(ws.protocol); ws.send('žluťoučký'); };
  ws.onmessage = (e) => {
    got.push(typeof e.data === 'string' ? e.data.length : 'bytes ' + new Uint8Array(e.data).join());
    if (got.length === 2) ws.send(new Uint8Array([0, 1, 255]));
    if (got.length === 3) ws.send('x'.repeat(100000));
    if (got.length === 4) ws.send('parts');
    if (got.length === 5) ws.ping();
  };
  ws.onpong = () => ws.close(3999, 'enough');
  ws.onclose = (e) => { console.log((compression || 'plain') + ' ' + got.join(' ') + ' closed ' + e.code); done?.(); };
}
export default function () { session('', () => session('deflate')); }`;
  const { code, console: out, stderr } = await script(t, source);
  assert.equal(code, 0, stderr);
  assert.deepEqual(out, ['plain b 9 bytes 0,1,255 100000 13 closed 3999', 'deflate b 9 bytes 0,1,255 100000 13 closed 3999']);
  for (let i = 0; i < 100 && seen.filter((s) => /^close/.test(s)).length < 2; i++) await sleep(20); // the server hears of it a little later
  assert.deepEqual(seen.filter((s) => /^close/.test(s)), ['close 3999 enough', 'close 3999 enough']);
  assert.equal(seen.filter((s) => s === 'ping').length, 2);
  assert.equal(seen[0], 'yes');
  assert.equal(seen[1], 'none');
  assert.ok(seen.some((s) => /permessage-deflate/.test(s)));
});

test('k6/ws: a server that dies is an error event and a close, and the run goes on', async (t) => {
  const url = await websocketServer(t, {}, (socket) => socket.on('message', () => socket.terminate()));
  const { code, console: out, stderr } = await script(t, `import ws from 'k6/ws';
export const options = { iterations: 2 };
export default function () {
  const log = [];
  const res = ws.connect('${url}', (s) => {
    s.on('open', () => s.send('die'));
    s.on('error', (e) => log.push('error ' + (e.error().length > 0)));
    s.on('close', (c) => log.push('close ' + c));
  });
  console.log(res.status, log.join());
}`);
  assert.equal(code, 0, stderr);
  assert.deepEqual(out, ['101 error true,close 1006', '101 error true,close 1006']);
});

test('an interrupted run closes its sockets', async (t) => {
  let closed;
  const whenClosed = new Promise((done) => (closed = done));
  const url = await websocketServer(t, {}, (socket) => socket.on('close', (code) => closed(code)));
  const folder = scratch(t, { 's.js': `import { WebSocket } from 'k6/websockets';
export default function () { const ws = new WebSocket('${url}'); ws.onopen = () => console.log('open'); }` });
  const { code } = await run(['k6', 'run', '-q', join(folder, 's.js')], {
    onStart: (child) => child.stderr.on('data', (d) => /open/.test(d) && child.kill('SIGINT')),
  });
  assert.equal(code, 105);
  assert.equal(await whenClosed, 1001);
});

test('TypeScript: an exception points into the source, a syntax error is shown, a missing esbuild is named', async (t) => {
  const source = `interface Order { total: number }

// types vanish, lines move
export default function (): void {
  const order: Order | null = JSON.parse('null');
  console.log('before');
  console.log(order!.total);
}`;
  const thrown = await script(t, source, { name: 's.ts' });
  assert.equal(thrown.code, 0);
  assert.match(thrown.lines.find((l) => l.source === 'stacktrace').msg, /s\.ts:7:15\)/);
  const broken = await script(t, 'export default function (): void {\n  const a: number = ;\n}', { name: 's.ts' });
  assert.equal(broken.code, 107);
  assert.match(broken.stderr, /s\.ts:2:20/);
  const missing = await script(t, source, { name: 's.ts', env: { LTLAB_ESBUILD: '/no/such/esbuild' } });
  assert.equal(missing.code, 107);
  assert.match(missing.stderr, /LTLAB_ESBUILD=\/no\/such\/esbuild is no program/);
});

test('packages of node_modules, CommonJS and ES modules, are imported by name', async (t) => {
  const folder = scratch(t, {
    's.js': `import { twice } from 'lab-cjs';
import cjs from 'lab-cjs';
import thrice, { name } from '@lab/esm';
export default function () { console.log(twice(2), cjs.twice(3), thrice(2), name); }`,
  });
  for (const [name, file, text] of [['lab-cjs', 'index.js', 'exports.twice = (x) => x * 2;'], ['@lab/esm', 'main.mjs', "import { by } from './by.mjs';\nexport const name = 'esm';\nexport default (x) => x * by;"]]) {
    mkdirSync(join(folder, 'node_modules', name), { recursive: true });
    writeFileSync(join(folder, 'node_modules', name, file), text);
    writeFileSync(join(folder, 'node_modules', name, 'by.mjs'), 'export const by = 3;');
    writeFileSync(join(folder, 'node_modules', name, 'package.json'), JSON.stringify({ name, version: '1.0.0', [file.endsWith('mjs') ? 'module' : 'main']: file }));
  }
  const { code, stderr } = await run(['k6', 'run', '-q', '--log-format', 'raw', join(folder, 's.js')]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^4 6 6 esm$/m);
});

test('secrets: read from a file, hidden in the log, and a wrong source is refused', async (t) => {
  const folder = scratch(t, { 'my.secrets': 'token=tok-1=2\n' });
  const source = `import secrets from 'k6/secrets';
export default async function () {
  const token = await secrets.get('token');
  console.log(token.length + ' ' + token + '!');
  throw new Error('with ' + token);
}`;
  const { code, console: out, stderr } = await script(t, source, { args: ['--secret-source', `file=${join(folder, 'my.secrets')}`] });
  assert.equal(code, 0);
  assert.deepEqual(out, ['7 ***SECRET_REDACTED***!']);
  assert.match(stderr, /with \*\*\*SECRET_REDACTED\*\*\*/);
  assert.ok(!stderr.includes('tok-1=2'));
  assert.equal((await script(t, source, { args: ['--secret-source', 'vault=x'] })).code, 104);
  const none = await script(t, source);
  assert.match(none.stderr, /no secret sources are configured/);
});

test('WebCrypto agrees with node: PBKDF2, ECDSA, ECDH, key wrapping, the wrapping counter of AES-CTR', async (t) => {
  const { code, console: out, stderr } = await script(t, `const s = crypto.subtle;
const hex = (ab) => Array.from(new Uint8Array(ab)).map((b) => b.toString(16).padStart(2, '0')).join('');
const text = (v) => new TextEncoder().encode(v);
export default async function () {
  const password = await s.importKey('raw', text('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt: text('salt'), iterations: 1000 };
  console.log(hex(await s.deriveBits(how, password, 256)));
  const key = await s.deriveKey(how, password, { name: 'AES-GCM', length: 256 }, true, ['encrypt', 'decrypt']);
  const raw = hex(await s.exportKey('raw', key));
  const [a, b] = [await s.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, true, ['deriveBits']), await s.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, true, ['deriveBits'])];
  console.log('ecdh', hex(await s.deriveBits({ name: 'ECDH', public: b.publicKey }, a.privateKey, 384)) === hex(await s.deriveBits({ name: 'ECDH', public: a.publicKey }, b.privateKey, 384)));
  const kw = await s.generateKey({ name: 'AES-KW', length: 128 }, true, ['wrapKey', 'unwrapKey']);
  const wrapped = await s.wrapKey('raw', key, kw, 'AES-KW');
  console.log('kw', wrapped.byteLength, hex(await s.exportKey('raw', await s.unwrapKey('raw', wrapped, kw, 'AES-KW', 'AES-GCM', true, ['encrypt']))) === raw);
  const gcm = await s.generateKey({ name: 'AES-GCM', length: 128 }, true, ['wrapKey', 'unwrapKey']), iv = new Uint8Array(12);
  const boxed = await s.wrapKey('jwk', key, gcm, { name: 'AES-GCM', iv });
  console.log('jwk', hex(await s.exportKey('raw', await s.unwrapKey('jwk', boxed, gcm, { name: 'AES-GCM', iv }, 'AES-GCM', true, ['encrypt']))) === raw);
  const ctr = await s.importKey('raw', new Uint8Array(16), 'AES-CTR', true, ['encrypt']);
  const last = new Uint8Array(16).fill(255), first = last.slice();
  first[15] = 0;
  const both = hex(await s.encrypt({ name: 'AES-CTR', counter: last, length: 8 }, ctr, new Uint8Array(32)));
  console.log('ctr', both.slice(32) === hex(await s.encrypt({ name: 'AES-CTR', counter: first, length: 8 }, ctr, new Uint8Array(16))));
  const pair = await s.generateKey({ name: 'ECDSA', namedCurve: 'P-521' }, true, ['sign', 'verify']);
  console.log(JSON.stringify({ jwk: await s.exportKey('jwk', pair.publicKey), signature: hex(await s.sign({ name: 'ECDSA', hash: 'SHA-512' }, pair.privateKey, text('signed'))) }));
  for (const bad of [() => s.encrypt({ name: 'AES-GCM', iv: new Uint8Array(3) }, key, iv), () => s.exportKey('raw', password), () => s.digest('MD5', iv)])
    await bad().then(() => console.log('accepted'), (e) => console.log(e.name));
}`);
  assert.equal(code, 0, stderr);
  assert.equal(out[0], pbkdf2Sync('password', 'salt', 1000, 32, 'sha256').toString('hex'));
  assert.deepEqual(out.slice(1, 5), ['ecdh true', 'kw 40 true', 'jwk true', 'ctr true']);
  const { jwk, signature } = JSON.parse(out[5]);
  assert.ok(verify('sha512', Buffer.from('signed'), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'hex')));
  assert.deepEqual(out.slice(6), ['OperationError', 'InvalidAccessError', 'NotSupportedError']);
});

test('k6/crypto/x509 reads a certificate', async (t) => {
  const folder = scratch(t);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, 'k.pem'), '-out', join(folder, 'c.pem'), '-days', '3',
    '-subj', '/C=CZ/L=Brno/O=Lab/OU=One/OU=Two/CN=shop.test', '-addext', 'subjectAltName=DNS:shop.test,IP:127.0.0.1,email:a@b.c'], { stdio: 'ignore' });
  const { code, console: out, stderr } = await script(t, `import x509 from 'k6/crypto/x509';
const pem = open('c.pem');
export default function () {
  const c = x509.parse(pem);
  console.log(JSON.stringify([c.subject.commonName, c.subject.country, c.subject.organizationalUnitName, c.issuer.organizationName, c.altNames, c.signatureAlgorithm, c.publicKey.algorithm, c.publicKey.key.e, c.publicKey.key.n.length, c.fingerPrint.length, c.subject.names.length]));
  console.log(x509.getSubject(pem).localityName, x509.getIssuer(pem).commonName, x509.getAltNames(pem).length, /^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$/.test(c.notAfter));
  try { x509.parse('no certificate'); } catch (e) { console.log('refused'); }
}`, { files: { 'c.pem': readFileSync(join(folder, 'c.pem'), 'utf8') } });
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(out[0]), ['shop.test', 'CZ', ['One', 'Two'], 'Lab', ['shop.test', 'a@b.c', '127.0.0.1'], 'SHA256-RSA', 'RSA', 65537, 256, 20, 6]);
  assert.deepEqual(out.slice(1), ['Brno shop.test 3 true', 'refused']);
});

test('k6/experimental/streams: a writable stream keeps order and says when it is full', async (t) => {
  const { code, console: out, stderr } = await script(t, `import { WritableStream, CountQueuingStrategy, ReadableStream } from 'k6/experimental/streams';
export default async function () {
  const got = [];
  const stream = new WritableStream({ async write(c) { await null; got.push(c); }, close() { got.push('closed'); } }, new CountQueuingStrategy({ highWaterMark: 2 }));
  const writer = stream.getWriter();
  const sizes = [writer.desiredSize];
  writer.write(1);
  writer.write(2);
  sizes.push(writer.desiredSize);
  await writer.ready;
  await writer.write(3);
  await writer.close();
  console.log(sizes.join(), got.join(), stream.locked);
  await writer.write(4).catch((e) => console.log('after close', e instanceof TypeError));
  const broken = new WritableStream({ write() { throw new Error('no'); } }).getWriter();
  await broken.write(1).catch((e) => console.log('write', e.message));
  await broken.closed.catch((e) => console.log('closed', e.message));
  const readable = new ReadableStream({ start(c) { c.enqueue('a'); } });
  const first = readable.getReader();
  console.log((await first.read()).value);
  const pending = first.read();
  first.releaseLock();
  await pending.catch((e) => console.log('released', e instanceof TypeError));
}`);
  assert.equal(code, 0, stderr);
  assert.deepEqual(out, ['2,0 1,2,3,closed true', 'after close true', 'write no', 'closed no', 'a', 'released true']);
});

test('wss: a WebSocket over TLS', async (t) => {
  const folder = scratch(t);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, 'k.pem'), '-out', join(folder, 'c.pem'), '-days', '3', '-subj', '/CN=localhost'], { stdio: 'ignore' });
  const server = https.createServer({ key: readFileSync(join(folder, 'k.pem')), cert: readFileSync(join(folder, 'c.pem')) });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (m) => socket.send(`echo ${m}`)));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    for (const client of sockets.clients) client.terminate();
    server.close();
  });
  const source = `import ws from 'k6/ws';
export default function () {
  const r = ws.connect('wss://127.0.0.1:${server.address().port}/', (s) => { s.on('open', () => s.send('hi')); s.on('message', (m) => { console.log(m); s.close(); }); });
  console.log(r.status, r.error);
}`;
  const fine = await script(t, source, { args: ['--insecure-skip-tls-verify'] });
  assert.deepEqual(fine.console, ['echo hi', '101 ']);
  const strict = await script(t, source);
  assert.match(strict.console[0], /^0 x509/);
  assert.equal(strict.code, 0);
});

test('an archive of TypeScript and a package runs without either on disk', async (t) => {
  const folder = scratch(t, { 's.ts': "import { twice } from 'lab-pkg';\nimport { add } from './add.ts';\nexport default function (): void { console.log(twice(add(1, 2))); throw new Error('here'); }", 'add.ts': 'export const add = (a: number, b: number): number => a + b;' });
  mkdirSync(join(folder, 'node_modules/lab-pkg'), { recursive: true });
  writeFileSync(join(folder, 'node_modules/lab-pkg/package.json'), '{"name":"lab-pkg","main":"i.js"}');
  writeFileSync(join(folder, 'node_modules/lab-pkg/i.js'), 'exports.twice = (x) => x * 2;');
  const elsewhere = scratch(t), archive = join(elsewhere, 'a.tar');
  assert.equal((await run(['k6', 'archive', '-O', archive, join(folder, 's.ts')])).code, 0);
  rmSync(folder, { recursive: true });
  const { code, stderr } = await run(['k6', 'run', '-q', '--log-format', 'raw', archive], { cwd: elsewhere });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^6$/m);
  assert.match(stderr, /s\.ts:3:/);
});

test('TypeScript from standard input', async (t) => {
  const folder = scratch(t);
  const ask = (text, env) => run(['k6', 'run', '-q', '--log-format', 'raw', '-'], { cwd: folder, env, onStart: (child) => child.stdin.end(text) });
  const typed = await ask('const n: number = 4;\nexport default function (): void { console.log(`n ${n as number}`); throw new Error("x"); }');
  assert.equal(typed.code, 0, typed.stderr);
  assert.match(typed.stderr, /^n 4$/m);
  assert.match(typed.stderr, /-:2:\d+\)/);
  const plain = await ask('export default function () { console.log("plain"); }', { LTLAB_ESBUILD: '/no/such' });
  assert.match(plain.stderr, /^plain$/m);
  assert.equal((await ask('export default function ( {')).code, 107);
});
