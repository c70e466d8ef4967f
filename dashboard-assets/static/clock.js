// Formats times in the reader's time zone; the server sends them in UTC.
import { $, all, base, write } from './dom.js';

const timeWith = more => new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...more });
// On a page that covers many days, times include the day.
const showsDays = $('view')?.dataset.days;
const wholeTime = timeWith(showsDays ? { day: 'numeric', month: 'short' } : { second: '2-digit' });
const exactTime = timeWith({ second: '2-digit', fractionalSecondDigits: 3 });

export const shortTime = ms => timeWith().format(ms);
export const timeOf = ms => wholeTime.format(ms);

// Shows a time with the precision that the server sent.
export function showTime(time) {
  const ms = Number(time.dataset.ms) || Date.parse(time.dateTime);
  const isExact = 'exact' in time.dataset || time.textContent.includes('.');
  if (time.dataset.ms === '') write(time, '');
  if (ms) write(time, 'ms' in time.dataset && ms % 60_000 === 0 && !showsDays ? shortTime(ms) : (isExact ? exactTime : wholeTime).format(ms));
}

// Sends the zone to the server in a cookie, for times within texts.
export function sendZone() {
  document.cookie = `sitio_zone=${timeWith().resolvedOptions().timeZone};path=${new URL(base, location).pathname};samesite=lax`;
}

export const showTimes = () => all('time[datetime], [data-ms]').forEach(showTime);
