//! Whether a socket failed because descriptors ran out.

use std::io;

/// Whether the connection failed because this machine lacks resources, not because of the peer.
pub fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}
