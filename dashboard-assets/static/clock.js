// Tells times in the reader's own time zone; the server writes them in UTC.
import { all, write } from './dom.js';

const timeWith = more => new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...more });
const wholeTime = timeWith({ second: '2-digit' });
const exactTime = timeWith({ second: '2-digit', fractionalSecondDigits: 3 });

export const shortTime = ms => timeWith().format(ms);

// A time as exactly as the server tells it.
export function showTime(time) {
  const ms = Date.parse(time.dateTime);
  if (ms) write(time, (time.textContent.includes('.') ? exactTime : wholeTime).format(ms));
}

export const showTimes = () => all('time[datetime]').forEach(showTime);
