//! Flow control (RFC 9113, section 6.9): how much may be sent, and when the peer may send more.

/// The window of streams and of the connection until settings or updates change it.
pub const WINDOW_BYTES_DEFAULT: u32 = 65_535;

/// The largest window (section 6.9.1).
pub const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;

/// A window became larger than 2^31 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// The peer sent more than the window allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded;

/// The bytes that we may send. A reduced initial window can make it negative (section 6.9.2).
#[derive(Debug, Clone, Copy)]
pub struct SendWindow(i32);

/// The bytes that the peer may send. The consumer gives them back with `release`.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveWindow {
    size: i32,
    available: i32,
    released: i32,
}

impl SendWindow {
    /// A window of `bytes`, at most `WINDOW_BYTES_MAX`.
    pub fn new(bytes: u32) -> Self {
        Self(bytes as i32)
    }

    /// Bytes that may be sent now.
    pub fn available(self) -> usize {
        self.0.max(0) as usize
    }

    /// Subtracts sent bytes, at most `available`.
    pub fn consume(&mut self, bytes: usize) {
        self.0 -= bytes as i32;
    }

    /// Adds a WINDOW_UPDATE, or a change of the initial window, which may be negative.
    pub fn adjust(&mut self, bytes: i64) -> Result<(), Overflow> {
        let window = i64::from(self.0) + bytes;
        self.0 = i32::try_from(window).map_err(|_| Overflow)?;
        Ok(())
    }
}

impl ReceiveWindow {
    /// A window of `bytes`, at most `WINDOW_BYTES_MAX`.
    pub fn new(bytes: u32) -> Self {
        Self { size: bytes as i32, available: bytes as i32, released: 0 }
    }

    /// Subtracts received bytes.
    pub fn receive(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = i32::try_from(bytes).map_err(|_| Exceeded)?;
        if bytes > self.available {
            return Err(Exceeded);
        }
        self.available -= bytes;
        Ok(())
    }

    /// Gives bytes back, and returns the increment of a WINDOW_UPDATE once it is worth a frame: half a window.
    pub fn release(&mut self, bytes: usize) -> Option<u32> {
        // More than was received is a mistake of the caller, and must not widen the window.
        self.released += bytes.min(self.held()) as i32;
        if self.released == 0 || self.released < self.size / 2 {
            return None;
        }
        self.available += self.released;
        Some(std::mem::take(&mut self.released) as u32)
    }

    /// Enlarges the window, and returns the increment of a WINDOW_UPDATE.
    pub fn widen(&mut self, bytes: u32) -> Option<u32> {
        let bytes = bytes.min(WINDOW_BYTES_MAX - self.size as u32);
        self.size += bytes as i32;
        self.available += bytes as i32;
        (bytes > 0).then_some(bytes)
    }

    /// Bytes that were received and not given back.
    pub fn held(&self) -> usize {
        (self.size - self.available - self.released).max(0) as usize
    }

    /// Makes the window smaller. The peer knows it by our SETTINGS, so what is available can become negative.
    pub fn reduce(&mut self, bytes: u32) {
        self.available -= bytes as i32;
        self.size -= bytes as i32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_window_never_exceeds_the_largest() {
        let mut window = SendWindow::new(WINDOW_BYTES_MAX - 1);
        assert_eq!(window.adjust(1), Ok(()));
        assert_eq!(window.adjust(1), Err(Overflow));
        assert_eq!(window.available(), WINDOW_BYTES_MAX as usize);
    }

    #[test]
    fn a_reduced_initial_window_makes_a_send_window_negative() {
        let mut window = SendWindow::new(100);
        window.consume(80);
        assert_eq!(window.adjust(-90), Ok(()));
        assert_eq!(window.available(), 0);
        assert_eq!(window.adjust(75), Ok(()));
        assert_eq!(window.available(), 5);
    }

    #[test]
    fn a_receive_window_is_given_back_by_halves() {
        let mut window = ReceiveWindow::new(100);
        assert_eq!(window.receive(101), Err(Exceeded));
        assert_eq!(window.receive(100), Ok(()));
        assert_eq!(window.release(49), None);
        assert_eq!(window.release(1), Some(50));
        assert_eq!(window.receive(51), Err(Exceeded));
        assert_eq!(window.receive(50), Ok(()));
    }

    #[test]
    fn a_receive_window_is_not_widened_by_releasing_too_much() {
        let mut window = ReceiveWindow::new(100);
        assert_eq!(window.receive(60), Ok(()));
        assert_eq!(window.release(1000), Some(60));
        assert_eq!(window.release(1000), None);
    }

    #[test]
    fn a_receive_window_is_widened_up_to_the_largest() {
        let mut window = ReceiveWindow::new(100);
        assert_eq!(window.widen(50), Some(50));
        assert_eq!(window.receive(150), Ok(()));
        assert_eq!(window.widen(u32::MAX), Some(WINDOW_BYTES_MAX - 150));
        assert_eq!(window.widen(1), None);
    }

    #[test]
    fn a_receive_window_of_one_byte_is_given_back() {
        let mut window = ReceiveWindow::new(1);
        assert_eq!(window.receive(1), Ok(()));
        assert_eq!(window.release(1), Some(1));
    }

    #[test]
    fn a_reduced_receive_window_waits_until_enough_is_released() {
        let mut window = ReceiveWindow::new(100);
        assert_eq!(window.receive(80), Ok(()));
        window.reduce(60);
        assert_eq!(window.receive(1), Err(Exceeded));
        assert_eq!(window.release(80), Some(80));
        assert_eq!(window.receive(41), Err(Exceeded));
        assert_eq!(window.receive(40), Ok(()));
    }
}
