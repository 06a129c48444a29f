// What `make demo` runs: a morning in a small shop, in 20 seconds. Visitors ramp up, look around with pauses
// between their steps, and a background job is started now and then. BASE is the server to test.
import http from 'k6/http';
import { check, group, sleep } from 'k6';
import { Trend } from 'k6/metrics';

const base = __ENV.BASE || 'http://127.0.0.1:8080';
const jobTime = new Trend('job_time', true);

export const options = {
  stages: [
    { duration: '5s', target: 20 }, // visitors arrive
    { duration: '10s', target: 20 }, // they stay
    { duration: '5s', target: 0 }, // and leave
  ],
  thresholds: {
    http_req_duration: ['p(95)<2500'],
    'http_req_duration{page:fast}': ['p(95)<100'],
    http_req_failed: ['rate<0.10'],
    checks: ['rate>0.90'],
  },
};

export default function () {
  group('browse', () => {
    const home = http.get(`${base}/fast`, { tags: { page: 'fast' } });
    check(home, { 'home is there': (r) => r.status === 200, 'home is fresh': (r) => r.status === 200 && JSON.parse(r.body).ok === true });
    sleep(0.3 + Math.random() * 0.5);
    const users = http.get(`${base}/users`, { tags: { page: 'fast' } }).json();
    const user = users[Math.floor(Math.random() * users.length)];
    check(http.get(http.url`${base}/users/${user.id}`), { 'user is there': (r) => r.json('name') === user.name });
    sleep(0.2 + Math.random() * 0.4);
  });

  if (Math.random() < 0.2) check(http.get(`${base}/io`), { 'disk work succeeds': (r) => r.status === 200 });
  if (Math.random() < 0.1) check(http.get(`${base}/error`), { 'a flaky page works': (r) => r.status === 200 });

  if (Math.random() < 0.2) {
    group('job', () => {
      const begun = Date.now();
      const job = http.post(`${base}/jobs`, JSON.stringify({ mode: 'cpu' }), { headers: { 'Content-Type': 'application/json' } });
      check(job, { 'job is accepted': (r) => r.status === 202 });
      for (let i = 0; i < 6; i++) {
        sleep(0.2);
        const state = http.get(`${base}/jobs/${job.json('jobId')}`, { tags: { name: '/jobs/:id' } }).json('status');
        if (state === 'done' || state === 'failed') break;
      }
      jobTime.add(Date.now() - begun);
    });
  }
}
