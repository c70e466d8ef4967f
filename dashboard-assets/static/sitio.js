// What every page has: times in the reader's own zone, and the shortcuts.
// All our scripts only refresh or shorten what a page can do without them.
import { startTimes } from './clock.js';
import { startKeys } from './keys.js';

startTimes();
startKeys();
