//! The static table (RFC 7541, appendix A), and a hash table of its names that is built at compile time.

/// The number of entries. Indices begin with 1.
pub(crate) const LENGTH: usize = 61;

/// The index of `authorization`.
pub(crate) const AUTHORIZATION: usize = 23;
/// The index of `cookie`.
pub(crate) const COOKIE: usize = 32;
/// The index of `proxy-authorization`.
pub(crate) const PROXY_AUTHORIZATION: usize = 49;
/// The index of `set-cookie`.
pub(crate) const SET_COOKIE: usize = 55;

/// Slots of the hash table: more than twice the 52 names.
const SLOTS: usize = 128;

/// The index of the first entry with a name, at the name's hash or in the slots after it; 0 ends the search.
static NAMES: [u8; SLOTS] = names();

/// Returns the name and value at `index`.
pub(crate) fn entry(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    let (name, value) = ENTRIES.get(index.checked_sub(1)?)?;
    Some((name.as_bytes(), value.as_bytes()))
}

/// Returns the index of the first entry with this name, or 0.
pub(crate) fn name(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let mut slot = hash(name);
    loop {
        let index = usize::from(NAMES[slot]);
        if index == 0 || ENTRIES[index - 1].0.as_bytes() == name {
            return index;
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Returns the index of the entry with this name and value. `first` is what `name` has returned.
pub(crate) fn exact(first: usize, name: &[u8], value: &[u8]) -> Option<usize> {
    let entries = ENTRIES.get(first.checked_sub(1)?..)?;
    let same_name = entries.iter().take_while(|entry| entry.0.as_bytes() == name);
    same_name.map(|entry| entry.1.as_bytes()).position(|known| known == value).map(|position| first + position)
}

const fn hash(name: &[u8]) -> usize {
    let (first, middle, last) = (name[0] as usize, name[name.len() / 2] as usize, name[name.len() - 1] as usize);
    (name.len() + 3 * first + 13 * middle + 7 * last) % SLOTS
}

const fn names() -> [u8; SLOTS] {
    let mut slots = [0; SLOTS];
    // Backwards, so that of several entries with one name the first remains.
    let mut index = LENGTH;
    while index > 0 {
        let name = ENTRIES[index - 1].0.as_bytes();
        let mut slot = hash(name);
        while slots[slot] != 0 && !is_equal(name, ENTRIES[slots[slot] as usize - 1].0.as_bytes()) {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = index as u8;
        index -= 1;
    }
    slots
}

const fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

static ENTRIES: [(&str, &str); LENGTH] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
