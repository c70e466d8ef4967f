//! `rate-limit`: answers requests over a rate with 429, by token buckets that all workers of the pod share.

use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use decorators::rate_limit::{BucketKey, RateLimit};
use foldhash::HashMap;
use foldhash::quality::RandomState;

use crate::decorator::request::Request;
use crate::decorator::{Decorator, Step};
use crate::head::answer::Answer;

/// Buckets of one decorator. A client can make them by changing a field; beyond the limit, full buckets are dropped, and then
/// all that are new share a few.
const BUCKETS_MAX: usize = 10_000;

/// The buckets that new callers share when there are too many.
const SHARED_BUCKETS: u64 = 64;

/// How often full buckets are looked for: all workers wait meanwhile.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

pub(super) struct RateLimiter {
    config: RateLimit,
    /// Hashes the values, which may be long. Its seed is random, so that no caller can choose a bucket.
    hasher: RandomState,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    by_key: HashMap<u64, Bucket>,
    swept: Option<Instant>,
}

impl Buckets {
    /// The key of the bucket to use: its own, unless there are too many.
    fn admit(&mut self, key: u64, now: Instant) -> u64 {
        if self.by_key.len() < BUCKETS_MAX || self.by_key.contains_key(&key) {
            return key;
        }
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.by_key.retain(|_, bucket| bucket.full_at > now);
        }
        if self.by_key.len() < BUCKETS_MAX { key } else { key % SHARED_BUCKETS }
    }
}

/// A token bucket as the time at which it would be full again (GCRA: the theoretical arrival time of the generic cell rate
/// algorithm, ITU-T I.371). It needs no refill.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

/// What a bucket has for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tokens {
    /// The request has one; this many are left.
    Left(u32),
    /// None until this time has passed.
    None(Duration),
}

impl RateLimiter {
    pub(super) fn new(config: RateLimit) -> Self {
        Self { config, hasher: RandomState::default(), buckets: Mutex::default() }
    }

    /// The time in which one token is refilled.
    fn refill(&self) -> Duration {
        self.config.per.0 / self.config.requests
    }

    fn take(&self, key: &[u8], now: Instant) -> Tokens {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = buckets.admit(self.hasher.hash_one(key), now);
        let (refill, size) = (self.refill(), self.config.bucket());
        let bucket = buckets.by_key.entry(key).or_insert(Bucket { full_at: now });
        // The tokens that are missing, as the time that refills them.
        let missing = bucket.full_at.saturating_duration_since(now);
        let (capacity, after) = (refill * size, missing + refill);
        match capacity.checked_sub(after) {
            None => Tokens::None(after.saturating_sub(capacity)),
            Some(left) => {
                bucket.full_at = bucket.full_at.max(now) + refill;
                Tokens::Left((left.as_nanos() / refill.as_nanos().max(1)) as u32)
            }
        }
    }

    /// The response to a request over the limit, with `Retry-After` (RFC 9110, section 10.2.3) and the fields of the draft
    /// standard for rate limits (draft-ietf-httpapi-ratelimit-headers).
    fn refuse(&self, wait: Duration) -> Answer {
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
        Answer::text(429, "Too many requests: wait as long as Retry-After says.\n")
            .with("Retry-After", seconds.to_string())
            .with("RateLimit-Policy", format!("\"default\";q={};w={}", self.config.requests, self.config.per.0.as_secs().max(1)))
            .with("RateLimit", format!("\"default\";r=0;t={seconds}"))
            .with("Cache-Control", "no-store")
    }
}

impl Decorator for RateLimiter {
    fn name(&self) -> &'static str {
        "rate-limit"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        let now = Instant::now();
        let tokens = match &self.config.by {
            BucketKey::Endpoint => self.take(&[], now),
            BucketKey::Caller => match request.caller().map(|caller| caller.to_canonical()) {
                Some(std::net::IpAddr::V4(caller)) => self.take(&caller.octets(), now),
                // One machine usually has all addresses of a /64.
                Some(std::net::IpAddr::V6(caller)) => self.take(&caller.octets()[..8], now),
                None => self.take(&[], now),
            },
            BucketKey::Header(name) => self.take(request.field(name).unwrap_or_default(), now),
        };
        match tokens {
            Tokens::Left(_) => Step::Pass,
            Tokens::None(wait) => Step::Answer(self.refuse(wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(json: &str) -> RateLimiter {
        RateLimiter::new(serde_json::from_str(json).unwrap())
    }

    fn passed(limiter: &RateLimiter, key: &str, count: u32, now: Instant) -> u32 {
        (0..count).filter(|_| matches!(limiter.take(key.as_bytes(), now), Tokens::Left(_))).count() as u32
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limiter, now) = (limiter(r#"{"requests": 10, "per": "1s", "burst": 5}"#), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        assert_eq!(limiter.take(b"", now), Tokens::Left(4));
        assert_eq!(passed(&limiter, "", 100, now), 4);
        assert_eq!(limiter.take(b"", now), Tokens::None(Duration::from_millis(100)));
        assert_eq!(passed(&limiter, "", 100, at(250)), 2);
        assert_eq!(passed(&limiter, "", 100, at(100_000)), 5, "a pause saves up no more than the burst");
        let ten_seconds: u32 = (0..1000).map(|tick| passed(&limiter, "b", 1, at(200_000 + tick * 10))).sum();
        assert_eq!(ten_seconds, 5 + 99);
    }

    #[test]
    fn callers_have_buckets_of_their_own_up_to_a_bound() {
        let (limiter, now) = (limiter(r#"{"requests": 1, "per": "1h", "by": "caller"}"#), Instant::now());
        let passed: u32 = (0..2 * BUCKETS_MAX).map(|caller| passed(&limiter, &caller.to_string(), 2, now)).sum();
        assert_eq!(passed as usize, BUCKETS_MAX + SHARED_BUCKETS as usize, "those beyond the bound share a few");
        assert_eq!(limiter.buckets.lock().unwrap().by_key.len(), BUCKETS_MAX + SHARED_BUCKETS as usize);
        assert!(matches!(limiter.take(b"new", now + Duration::from_secs(3601)), Tokens::Left(0)), "full buckets make room");
    }
}
