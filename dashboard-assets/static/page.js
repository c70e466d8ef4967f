// A live page: applies values from the stream, and keeps the toolbar's state in the URL.
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
// On large pages the server selects the rows; on others the browser has them all.
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
  // A page of a past range is static: a new choice loads another page.
  if (page.live === 'no') return standStill();
  startRows();
  startToolbar();
  $('pause').hidden = false;
  onClick('#pause', pause);
  onClick('#try-now', dial);
  // Links to a file or a next page follow the toolbar, which may have changed since the page was loaded.
  onClick('a[data-of-this]', link => { link.search = query({ before: link.dataset.before }); });
  startLive(() => `events${query({ page: page.page, id: form.dataset.id })}`, take, showConnection);
  setInterval(beat, 1000);
}

function standStill() {
  for (const control of form.elements) control.addEventListener('change', () => form.requestSubmit());
}

// The view as a URL query; defaults are omitted.
export function query(more) {
  const said = new URLSearchParams(new FormData(form));
  for (const [part, chosen] of [...said]) if (!chosen || chosen === usual.get(part)) said.delete(part);
  for (const [part, chosen] of Object.entries({ sort: sorted, ...more })) if (chosen) said.set(part, chosen);
  return said.size ? `?${said}` : '';
}

function take({ t: ms, c: cells, v: version, order }, isWhole, isAsked) {
  // The control plane has another version than the one that rendered the page.
  if (isWhole && version !== page.version) location.reload();
  if (isPaused) heldUpdates += 1;
  else {
    takenMs = ms;
    if (isWhole) renew();
    arrive?.();
    for (const id in cells) set(id, cells[id]);
    orderAs(order);
    // Another window of this browser may have requested whole values.
    draw(chosen(), !isAsked);
    // The server must draw the map again after its layout changed.
    const { shape } = newest('page');
    if (shape && shape !== form.dataset.shape) location.reload();
    const { problems } = newest('frame');
    if (problems && problems !== knownProblems) sayProblem(problems);
    knownProblems = problems;
  }
  beat();
}

function showConnection(pulseNow) {
  const isLost = pulseNow === 'lost';
  page.pulse = pulseNow;
  $('lost').hidden = !isLost;
  if (takenMs) write($('lost').querySelector('time'), timeOf(takenMs));
  // While the connection is lost, the switches are disabled.
  for (const button of all('.sw, [data-ends]')) {
    button.ariaDisabled = isLost || button.dataset.switch === 'none';
  }
  // Old values are better than placeholders for values that may never arrive.
  if (isLost) arrive?.();
  if (isLost) say(`${STOPPED}. Trying again.`);
  else if ($('say').textContent.startsWith(STOPPED)) say('Live again.');
  beat();
}

// Updates the pill in the header: the state of the page, and the age of its numbers.
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
  // Links to other pages keep the time window.
  const span = new FormData(form).get('window') ?? '';
  for (const link of all('[data-carry]')) link.search = span === usual.get('window') ? '' : `window=${span}`;
  draw(chosen());
}

// Applies a change that the server must compute: counts, order, and on large pages the rows.
function turn() {
  keep();
  // Held updates belong to the previous view.
  if (isPaused) pause($('pause'));
  else dial();
  arrive?.();
  // While the connection is lost, old values stay.
  if (page.pulse !== 'lost') arrive = wait($('main'));
}

const chosen = () => !isChosenThere && $('filter-words') && Object.fromEntries(new FormData(form));
