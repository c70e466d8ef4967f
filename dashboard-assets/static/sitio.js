// Starts all modules; a module does nothing on a page without its elements.
// Every page works without scripts; they add updates and shortcuts.
// The modules are bundled into one script, so top-level names must be unique.
import { showTimes, sendZone } from './clock.js';
import { startCopies } from './copy.js';
import { startFollowing } from './follow.js';
import { startKeys } from './keys.js';
import { startPage } from './page.js';
import { startSaying } from './say.js';
import { startSwitches } from './switch.js';

sendZone();
showTimes();
startKeys();
startSaying();
startCopies();
startSwitches();
startPage();
startFollowing();
