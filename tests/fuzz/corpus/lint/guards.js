import http from 'k6/http';
const t = open('./u.csv');
export default async function () {
  const res = await http.asyncRequest('GET', `${__ENV.BASE}/x`);
  if (res.status !== 200) { return; } else { JSON.parse(res.body); }
  check(res, { a: (r) => r.body && r.body.length, b: r => { try { r.body.x } catch { } } });
  if (!res.body) fail(); res.body[0]; new Counter('c'); p.parse(t, { header: true, skipEmptyLines: false });
}
