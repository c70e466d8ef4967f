// The overview: values from the stream into the page, the toolbar into the URL.
import { learn, set, value } from './cells.js';
import { show } from './clock.js';
import { live } from './live.js';
import { admit, disable, filter, order, pause, remove, rows } from './rows.js';
import { say, sayProblem } from './say.js';
import { startSwitches } from './switch.js';

const $ = id => document.getElementById(id);
const form = $('view');
const defaults = { window: '5m', show: 'all', service: '', find: '', order: 'problems', sort: '' };
let sort = new URLSearchParams(location.search).get('sort') ?? '';
let stream = null;
let paused = false;
let heldUpdates = 0;
let known = new Set();

learn(document);
startToolbar();
startPulse();
startSwitches(() => choice().window);
stream = live({ address: () => `/events${query(['window', 'order', 'sort'])}`, take, state });

function take({ c, order: ids, gone = [] }, isWhole) {
  if (paused) { heldUpdates += 1; }
  if (isWhole) gone = rows().map(row => row.id).filter(id => !(id in c));
  gone.forEach(remove);
  for (const [id, values] of Object.entries(c)) {
    if (values.find !== undefined) admit(id, values);
    set(id, values);
  }
  if (!paused) order(ids, isWhole);
  filter(choice());
  announce();
  beat();
}

// New problems are said once, when they come up.
function announce() {
  const items = [0, 1, 2].map(at => `attention-${at}`).filter(id => ['bad', 'warn'].includes(value(id, 'kind')));
  const news = items.filter(id => !known.has(value(id, 'title')));
  if (news.length) {
    sayProblem(news.map(id => `${value(id, 'title')}: ${value(id, 'strong')}${value(id, 'rest')}`).join('. '));
  }
  known = new Set(items.map(id => value(id, 'title')));
}

function state(name, taken) {
  const isLost = name === 'lost';
  document.body.dataset.pulse = name;
  $('lost').hidden = !isLost;
  disable(isLost);
  if (isLost) {
    if (taken) show($('lost').querySelector('time'), taken);
    say('Live updates stopped. Trying again.');
  } else if ($('say').textContent.startsWith('Live updates stopped')) {
    say('Live again.');
  }
  beat();
}

// The pill in the header: what the page is doing, and how old its numbers are.
function beat() {
  const pulse = $('pulse');
  const isLost = document.body.dataset.pulse === 'lost';
  if (!isLost && document.body.dataset.pulse !== 'live') return;
  const name = isLost ? 'lost' : paused ? 'paused' : 'live';
  const seconds = Math.max(1, Math.round((Date.now() - stream.heardMs()) / 1000));
  pulse.dataset.state = name;
  pulse.querySelector('.word').textContent = { lost: 'Reconnecting', paused: 'Paused', live: 'Live' }[name];
  pulse.querySelector('time').textContent = name === 'paused' ? `${heldUpdates} held` : `${seconds} s`;
  if (isLost) $('lost').querySelector('b').textContent = `Live updates stopped ${seconds} s ago.`;
}

function startPulse() {
  const button = $('pause');
  button.hidden = false;
  button.addEventListener('click', () => {
    paused = !paused;
    heldUpdates = 0;
    button.setAttribute('aria-pressed', String(paused));
    pause(paused);
    say(paused ? 'Live updates are paused.' : 'Live updates go on.');
    if (!paused) order();
    beat();
  });
  $('lost').querySelector('button').addEventListener('click', () => stream.open());
  setInterval(() => { if (stream) beat(); }, 1000);
}

function startToolbar() {
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (event.submitter?.name === 'sort') { sort = event.submitter.value; turn(); } else { keep(); }
  });
  for (const control of form.elements) {
    control.addEventListener(control.type === 'search' ? 'input' : 'change', () => {
      if (control.name === 'order') sort = '';
      if (control.name === 'order' || control.name === 'window') turn(); else keep();
    });
  }
  $('filter-clear').addEventListener('click', event => {
    event.preventDefault();
    $('find').value = '';
    $('service').value = '';
    form.elements.show.value = 'all';
    keep();
    $('find').focus();
  });
}

// Filter: the rows are all here.
function keep() {
  history.replaceState(null, '', `/${query(Object.keys(defaults))}`);
  filter(choice());
}

// Window and order: the server counts and sorts.
function turn() {
  keep();
  stream.open();
}

function choice() {
  const data = new FormData(form);
  return Object.fromEntries(Object.keys(defaults).map(name => [name, name === 'sort' ? sort : data.get(name) ?? defaults[name]]));
}

function query(names) {
  const now = choice();
  const said = new URLSearchParams(names.filter(name => now[name] !== defaults[name]).map(name => [name, now[name]]));
  return said.size ? `?${said}` : '';
}
