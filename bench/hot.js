import http from 'k6/http';
import { check } from 'k6';

export const options = { vus: 50, duration: `${__ENV.SECONDS}s` };

export default function () {
  const r = http.get(__ENV.URL);
  check(r, {
    'status is 200': (r) => r.status === 200,
    'in stock': (r) => JSON.parse(r.body).stock > 0,
  });
}
