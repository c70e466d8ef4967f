//! Limits how many wrong tokens and passwords an address or a user may try, and logs each address that tries one.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;

use crate::token::SecretToken;

/// Wrong tokens that an address may try in a row. A person who mistypes needs three or four.
const BURST: u32 = 10;

/// How long it takes until an address may try one more.
const REFILL: Duration = Duration::from_secs(6);

/// Addresses and users that are remembered. Each takes about 200 bytes; one is forgotten once it may try [`BURST`] again.
const ADDRESSES_MAX: usize = 4096;

/// Wrong tokens that an address may repeat at no cost: a pod with an old token sends that one for hours, and must not
/// use up the attempts of other pods behind the same address.
const REPEATED_MAX: usize = 8;

/// The attempts of each address with wrong tokens.
#[derive(Debug, Default)]
pub struct Guesses {
    budgets: Mutex<HashMap<AttemptKey, AttemptBudget>>,
    hasher: RandomState,
}

/// Whose attempts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AttemptKey {
    /// An address; for IPv6 its network.
    Address(IpAddr),
    /// A user, by the hash of the name that was tried.
    User(u64),
}

/// The result of checking a presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// It is the token.
    Right,
    /// It is not the token.
    Wrong,
    /// It was not compared: the address has tried too many.
    TooMany {
        /// How long the address must wait.
        retry_after: Duration,
    },
}

/// The remaining attempts of an address.
#[derive(Debug)]
struct AttemptBudget {
    /// The instant at which the address may try [`BURST`] again. Each wrong token moves it by [`REFILL`].
    full_at: Instant,
    /// Hashes of its last wrong tokens.
    tried: VecDeque<u64>,
}

impl Guesses {
    /// Compares the token that `from` presents with the right one, if the address may try.
    pub fn check(&self, token: &SecretToken, shown: &str, from: IpAddr, now: Instant) -> Guess {
        self.check_by(shown, from, now, || token.is(shown))
    }

    /// The same, where `is_right` compares.
    pub fn check_by(&self, shown: &str, from: IpAddr, now: Instant, is_right: impl Fn() -> bool) -> Guess {
        let from = network(from);
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(budget) = budgets.get_mut(&AttemptKey::Address(from)) else {
            if is_right() {
                return Guess::Right;
            }
            return budget_of(&mut budgets, AttemptKey::Address(from), now).spend(self.hasher.hash_one(shown), from, now);
        };
        match budget.retry_after(now) {
            None if is_right() => Guess::Right,
            _ if budget.tried.contains(&self.hasher.hash_one(shown)) => Guess::Wrong,
            _ => budget.spend(self.hasher.hash_one(shown), from, now),
        }
    }

    /// Counts an attempt to sign in as a user before the password is verified, which takes a while: attempts at the same
    /// time are no way around the limit. Returns how long to wait if there were too many, for the address or the user.
    pub fn begin(&self, user: &str, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys(user, from);
        make_room(&mut budgets, now);
        let waits = keys.iter().filter_map(|key| budgets.get(&place(&budgets, *key))?.retry_after(now));
        if let Some(retry_after) = waits.max() {
            return Err(retry_after);
        }
        for key in keys {
            let budget = budget_of(&mut budgets, key, now);
            budget.full_at = budget.full_at.max(now) + REFILL;
        }
        Ok(())
    }

    /// Gives an attempt back: it has succeeded, or nothing was compared.
    pub fn give_back(&self, user: &str, from: IpAddr) {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        for key in self.keys(user, from) {
            if let Some(budget) = budgets.get_mut(&key) {
                budget.full_at = budget.full_at.checked_sub(REFILL).unwrap_or(budget.full_at);
            }
        }
    }

    fn keys(&self, user: &str, from: IpAddr) -> [AttemptKey; 2] {
        [AttemptKey::Address(network(from)), AttemptKey::User(self.hasher.hash_one(user))]
    }
}

/// The budget of a key. If there is no room for one more, all further keys share one.
fn budget_of(budgets: &mut HashMap<AttemptKey, AttemptBudget>, key: AttemptKey, now: Instant) -> &mut AttemptBudget {
    make_room(budgets, now);
    budgets.entry(place(budgets, key)).or_insert_with(|| AttemptBudget { full_at: now, tried: VecDeque::new() })
}

/// The key under which the attempts of `key` are counted: its own, or the shared one if there is no room for it.
fn place(budgets: &HashMap<AttemptKey, AttemptBudget>, key: AttemptKey) -> AttemptKey {
    let has_room = budgets.contains_key(&key) || budgets.len() < ADDRESSES_MAX;
    if has_room { key } else { AttemptKey::Address(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) }
}

impl AttemptBudget {
    fn retry_after(&self, now: Instant) -> Option<Duration> {
        let owed = self.full_at.saturating_duration_since(now);
        owed.checked_sub(REFILL * (BURST - 1)).filter(|wait| !wait.is_zero())
    }

    fn spend(&mut self, shown: u64, from: IpAddr, now: Instant) -> Guess {
        if let Some(retry_after) = self.retry_after(now) {
            return Guess::TooMany { retry_after };
        }
        self.full_at = self.full_at.max(now) + REFILL;
        if self.tried.len() == REPEATED_MAX {
            self.tried.pop_front();
        }
        self.tried.push_back(shown);
        match self.retry_after(now) {
            None => tracing::warn!(address = %from, "a client sent a wrong token"),
            Some(_) => {
                tracing::warn!(address = %from, "a client sent {BURST} wrong tokens: its address is refused for some seconds");
            }
        }
        Guess::Wrong
    }
}

fn make_room(budgets: &mut HashMap<AttemptKey, AttemptBudget>, now: Instant) {
    if budgets.len() >= ADDRESSES_MAX {
        budgets.retain(|_, budget| budget.full_at > now);
    }
}

/// The address; for IPv6 its network of 64 bits, because one host may use all of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_address_that_guesses_is_refused_and_others_are_not() {
        let (guesses, token, now) = (Guesses::default(), SecretToken::new("the-right-token").unwrap(), Instant::now());
        for at in 0..BURST {
            assert_eq!(guesses.check(&token, &format!("guess {at}"), from(1), now), Guess::Wrong, "{at}");
        }
        let refused = guesses.check(&token, "the-right-token", from(1), now);
        assert_eq!(refused, Guess::TooMany { retry_after: REFILL }, "a guess that is not looked at reveals nothing");
        assert_eq!(guesses.check(&token, "the-right-token", from(2), now), Guess::Right);
        assert_eq!(guesses.check(&token, "the-right-token", from(1), now + REFILL), Guess::Right);
    }

    #[test]
    fn a_pod_with_an_old_token_does_not_lock_its_neighbours_out() {
        let (guesses, token, now) = (Guesses::default(), SecretToken::new("the-right-token").unwrap(), Instant::now());
        for _ in 0..1000 {
            assert_eq!(guesses.check(&token, "an-old-token", from(1), now), Guess::Wrong);
        }
        assert_eq!(guesses.check(&token, "the-right-token", from(1), now), Guess::Right);
    }

    #[test]
    fn attempts_at_the_same_time_count_for_the_address_and_for_the_user() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for last in 0..BURST {
            assert_eq!(guesses.begin("anna", from(last as u8), now), Ok(()), "{last}");
        }
        assert_eq!(guesses.begin("anna", from(99), now), Err(REFILL), "from whatever address");
        assert_eq!(guesses.begin("ben", from(99), now), Ok(()));
        for last in 0..BURST {
            let _ = guesses.begin(&format!("user {last}"), from(1), now);
        }
        assert!(guesses.begin("cleo", from(1), now).is_err(), "whatever the user");
        guesses.give_back("anna", from(2));
        assert_eq!(guesses.begin("anna", from(99), now), Ok(()), "what has succeeded does not count");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (guesses, token, now) = (Guesses::default(), SecretToken::new("the-right-token").unwrap(), Instant::now());
        for host in 0..2 * ADDRESSES_MAX as u32 {
            let _ = guesses.check(&token, "a guess", IpAddr::V4(host.into()), now);
        }
        assert!(guesses.budgets.lock().unwrap().len() <= ADDRESSES_MAX + 1);
        assert!(guesses.begin("anna", from(99), now).is_err(), "those without room share one budget, which is spent");
        let in_one_network =
            |host: u128| guesses.check(&token, &format!("{host}"), IpAddr::V6((1 << 64 | host).into()), now + REFILL * 99);
        assert_eq!((0..20).filter(|host| in_one_network(*host) == Guess::Wrong).count(), BURST as usize);
    }
}
