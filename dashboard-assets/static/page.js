// A page that moves: values from the stream into their places, the toolbar into the URL.
import { newest, renew, set } from './cells.js';
import { timeOf } from './clock.js';
import { $, all, onClick, wait, write } from './dom.js';
import { advice, dial, secondsLeft, secondsSilent, startLive } from './live.js';
import { draw, orderAs, startRows } from './rows.js';
import { say, sayProblem } from './say.js';

const TYPING_MS = 200;
const STOPPED = 'Live updates stopped';
const form = $('view');
const pulse = $('pulse');
const page = document.body.dataset;
const usual = new URLSearchParams(form?.dataset.defaults);
// On large pages the server chooses the rows; on others they are all here.
const isChosenThere = 'choosing' in (form?.dataset ?? {});
let sorted = new URLSearchParams(location.search).get('sort');
let isPaused = false;
let heldUpdates = 0;
let takenMs = 0;
let typing = 0;
let knownProblems = '';
let arrive = null;

export function startPage() {
  if (!form) return;
  // A page of the past stands still: what is chosen makes another page.
  if (page.live === 'no') return standStill();
  startRows();
  startToolbar();
  $('pause').hidden = false;
  onClick('#pause', pause);
  onClick('#try-now', dial);
  // A file and a next page are of what is on the screen, which may have changed since the page came.
  onClick('a[data-of-this]', link => { link.search = query({ before: link.dataset.before }); });
  startLive(() => `events${query({ page: page.page, id: form.dataset.id })}`, take, tell);
  setInterval(beat, 1000);
}

function standStill() {
  for (const control of form.elements) control.addEventListener('change', () => form.requestSubmit());
}

// What is looked at, as a part of the URL; what is as usual is left out.
export function query(more) {
  const said = new URLSearchParams(new FormData(form));
  for (const [part, chosen] of [...said]) if (!chosen || chosen === usual.get(part)) said.delete(part);
  for (const [part, chosen] of Object.entries({ sort: sorted, ...more })) if (chosen) said.set(part, chosen);
  return said.size ? `?${said}` : '';
}

function take({ t: ms, c: cells, v: version, order }, isWhole, isAsked) {
  // The control plane is another one than that which made the page.
  if (isWhole && version !== page.version) location.reload();
  if (isPaused) heldUpdates += 1;
  else {
    takenMs = ms;
    if (isWhole) renew();
    arrive?.();
    for (const id in cells) set(id, cells[id]);
    orderAs(order);
    // Another window of this browser may have asked for whole values.
    draw(chosen(), !isAsked);
    // A picture whose parts stand elsewhere now has to be drawn anew.
    const { shape } = newest('page');
    if (shape && shape !== form.dataset.shape) location.reload();
    const { problems } = newest('frame');
    if (problems && problems !== knownProblems) sayProblem(problems);
    knownProblems = problems;
  }
  beat();
}

function tell(pulseNow) {
  const isLost = pulseNow === 'lost';
  page.pulse = pulseNow;
  $('lost').hidden = !isLost;
  if (takenMs) write($('lost').querySelector('time'), timeOf(takenMs));
  // While the connection is lost, nothing can be switched.
  for (const button of all('.sw, [data-ends]')) {
    button.ariaDisabled = isLost || button.dataset.switch === 'none';
  }
  // What was known is better than the shape of what may never come.
  if (isLost) arrive?.();
  if (isLost) say(`${STOPPED}. Trying again.`);
  else if ($('say').textContent.startsWith(STOPPED)) say('Live again.');
  beat();
}

// The pill in the header: what the page is doing, and how old its numbers are.
function beat() {
  if (!page.pulse) return;
  const isHeld = isPaused && page.pulse === 'live';
  const seconds = `${secondsSilent()} s`;
  pulse.dataset.state = isHeld ? 'paused' : page.pulse;
  write(pulse.querySelector('.word'), isHeld ? 'Paused' : page.pulse === 'lost' ? 'Reconnecting' : 'Live');
  write(pulse.querySelector('time'), isHeld ? `${heldUpdates} held` : seconds);
  write($('lost').querySelector('b'), `${STOPPED} ${seconds} ago.`);
  const left = secondsLeft();
  write($('next'), advice() || `Trying again ${left > 0 ? `in ${left} s` : 'now'}.`);
  document.title = (page.pulse === 'lost' ? '⚠ ' : '') + newest('frame').title;
}

function pause(button) {
  isPaused = !isPaused;
  heldUpdates = 0;
  button.ariaPressed = isPaused;
  say(`Live updates ${isPaused ? 'are paused' : 'go on'}.`);
  if (!isPaused) dial();
  beat();
}

function startToolbar() {
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (event.submitter?.name === 'sort') sorted = event.submitter.value;
    turn();
  });
  for (const control of form.elements) control.addEventListener(control.dataset.on ?? 'input', () => {
    if (control.name === 'order') sorted = '';
    clearTimeout(typing);
    if (isChosenThere || /window|order/.test(control.name)) typing = setTimeout(turn, control.type === 'search' ? TYPING_MS : 0);
    else keep();
  });
}

function keep() {
  history.replaceState(null, '', location.pathname + query());
  // Links to other pages lead to the same window.
  const span = new FormData(form).get('window') ?? '';
  for (const link of all('[data-carry]')) link.search = span === usual.get('window') ? '' : `window=${span}`;
  draw(chosen());
}

// The server counts, sorts, and perhaps chooses.
function turn() {
  keep();
  // What is held is of what was chosen before.
  if (isPaused) pause($('pause'));
  else dial();
  arrive?.();
  // While the connection is lost, what was known stays.
  if (page.pulse !== 'lost') arrive = wait($('main'));
}

const chosen = () => !isChosenThere && $('filter-words') && Object.fromEntries(new FormData(form));
