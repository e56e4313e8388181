//! Writes settled changes into a member.
