// Starts every part; each is idle on a page that has nothing for it.
// All our scripts only refresh or shorten what a page can do without them. They are sent as one, so no two may use
// the same name at their top.
import { showTimes, tellZone } from './clock.js';
import { startCopies } from './copy.js';
import { startFollowing } from './follow.js';
import { startKeys } from './keys.js';
import { startPage } from './page.js';
import { startSaying } from './say.js';
import { startSwitches } from './switch.js';

tellZone();
showTimes();
startKeys();
startSaying();
startCopies();
startSwitches();
startPage();
startFollowing();
