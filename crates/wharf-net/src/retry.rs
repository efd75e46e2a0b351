//! When to ask again: only after what passes by itself, a few times, and later each time.

use std::time::Duration;

/// How often a request is made at most.
pub const ATTEMPTS: u32 = 5;

/// The longest that a server's `Retry-After` is obeyed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says whether a status passes by itself: a busy or restarting server.
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Returns how long to wait before the next attempt, the first attempt being number 1.
///
/// `retry_after` is the server's header; its form as a date is taken as "soon".
pub fn pause(attempt: u32, retry_after: Option<&str>) -> Duration {
    let asked = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let own = Duration::from_millis(250 << attempt.min(6).saturating_sub(1));
    asked.unwrap_or(own).clamp(own.min(PATIENCE), PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_obey_the_server_within_reason() {
        assert_eq!(pause(1, None), Duration::from_millis(250));
        assert_eq!(pause(3, None), Duration::from_secs(1));
        assert_eq!(pause(1, Some("7")), Duration::from_secs(7));
        assert_eq!(pause(1, Some("0")), Duration::from_millis(250));
        assert_eq!(pause(1, Some("99999999")), PATIENCE);
        assert_eq!(pause(1, Some("Wed, 21 Oct 2026 07:28:00 GMT")), Duration::from_millis(250));
    }

    #[test]
    fn what_is_wrong_stays_wrong() {
        assert!([400, 401, 403, 404, 416, 501].iter().all(|status| !is_passing(*status)));
    }
}
