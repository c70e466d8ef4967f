// Tells times in the reader's own time zone; the server writes them in UTC.
const whole = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
const format = new Intl.DateTimeFormat([], whole);
const exact = new Intl.DateTimeFormat([], { ...whole, fractionalSecondDigits: 3 });
const short = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export const clock = ms => format.format(ms);

// "Today at 15:07", "Tomorrow at 01:30".
export function at(ms) {
  const day = new Date(ms).toDateString() === new Date().toDateString() ? 'Today' : 'Tomorrow';
  return `${day} at ${short.format(ms)}`;
}

export function show(time, ms) {
  time.setAttribute('datetime', new Date(ms).toISOString());
  time.textContent = clock(ms);
}

export function startTimes() {
  for (const time of document.querySelectorAll('time[datetime]')) {
    const ms = Date.parse(time.getAttribute('datetime'));
    if (Number.isNaN(ms)) continue;
    // What the server tells to the millisecond is told so.
    time.textContent = (time.textContent.includes('.') ? exact : format).format(ms);
  }
}
