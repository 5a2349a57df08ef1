//! The string of a tuple: up to 23 bytes lie inside of its 24, a longer one is shared.
//!
//! Why not a crate's: those copy a short string to the stack byte by byte and then read it back as words, which stalls the
//! processor for longer than the rest of an emit takes (docs/engine.md, What was learnt). Here the words are put together
//! in registers and written once.
//! Pure: no clock, no I/O, no async.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest string that needs no memory of its own, in bytes.
pub const INLINE: usize = 23;

/// An immutable string of 24 bytes that is cheap to clone.
// In memory: 23 bytes of text and its length; or a pointer, a length, and the mark `Shared`.
#[repr(C)]
pub struct Text {
    first: First,
    second: u64,
    third: u32,
    fourth: u16,
    fifth: u8,
    last: Last,
}

#[repr(C)]
#[derive(Clone, Copy)]
union First {
    bytes: u64,
    shared: *const u8,
}

/// Length of an inline string, or that it is shared. An enum, so that [`Value`](crate::Value) finds its own marks in the
/// byte's other values.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
#[rustfmt::skip]
#[expect(dead_code, reason = "lengths are made from numbers")]
enum Last {
    L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15, L16, L17, L18, L19, L20, L21, L22, L23,
    Shared,
}

// SAFETY: it is a `str` that nobody changes, or a count of an `Arc<str>`, which may be sent and shared.
unsafe impl Send for Text {}
// SAFETY: as above.
unsafe impl Sync for Text {}

impl Text {
    /// Copies a string.
    // Always: as a call's result it would be read back from the stack in other pieces than it was written in.
    #[inline(always)]
    pub fn new(text: &str) -> Self {
        if text.len() <= INLINE {
            Self::inline(text.as_bytes())
        } else {
            Self::shared(text.into())
        }
    }

    /// Whether others may share its memory; else it lies wholly inside.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.last == Last::Shared
    }

    /// The string.
    #[inline]
    pub fn as_str(&self) -> &str {
        let bytes = if self.is_shared() {
            // SAFETY: `shared` and `second` are the address and length of a `str` that our count keeps alive.
            unsafe { std::slice::from_raw_parts(self.first.shared, self.second as usize) }
        } else {
            let start = std::ptr::from_ref(self).cast::<u8>();
            // SAFETY: the layout is C's without gaps, so that 23 initialised bytes begin here, and `last` is at most 23.
            unsafe { std::slice::from_raw_parts(start, self.last as usize) }
        };
        // SAFETY: both forms are made from a `str` as a whole.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    /// The bytes, at most 23 of them, as three words; what lies behind the end is 0.
    #[inline(always)]
    fn inline(bytes: &[u8]) -> Self {
        let n = bytes.len();
        let (mut words, whole) = ([0_u64; 3], n / 8);
        // Of a string that has a whole word, its last word too: shifted, the bytes that it shares with others fall out.
        if let Some(end) = bytes.last_chunk::<8>() {
            for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
            }
            // In two steps, since nothing may be shifted by 64.
            words[whole] = (u64::from_le_bytes(*end) >> 1) >> (63 - 8 * (n % 8));
        } else if let (Some(start), Some(end)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
        {
            let (start, end) = (u32::from_le_bytes(*start), u32::from_le_bytes(*end));
            words[0] = u64::from(start) | (u64::from(end) << (8 * (n - 4)));
        } else if let (Some(start), Some(end)) = (bytes.first(), bytes.last()) {
            let middle = u64::from(bytes[n / 2]) << (8 * (n / 2));
            words[0] = u64::from(*start) | middle | (u64::from(*end) << (8 * (n - 1)));
        }
        Self {
            first: First {
                bytes: words[0].to_le(),
            },
            second: words[1].to_le(),
            third: (words[2] as u32).to_le(),
            fourth: ((words[2] >> 32) as u16).to_le(),
            fifth: (words[2] >> 48) as u8,
            last: Last::of(n),
        }
    }

    /// Its bytes as three words, the first lowest, with zeros behind the end; if it lies inside.
    #[inline]
    pub(crate) fn inside(&self) -> Option<[u64; 3]> {
        let (first, second, third, fourth, fifth, _) = self.words()?;
        let low = u64::from(u32::from_le(third)) | (u64::from(u16::from_le(fourth)) << 32);
        let third = low | (u64::from(fifth) << 48);
        Some([u64::from_le(first), u64::from_le(second), third])
    }

    /// What lies inside, if it does.
    #[inline]
    fn words(&self) -> Option<(u64, u64, u32, u16, u8, Last)> {
        let inside = !self.is_shared();
        // SAFETY: whatever is not shared has bytes here, which were written.
        inside.then(|| unsafe {
            let first = self.first.bytes;
            (
                first,
                self.second,
                self.third,
                self.fourth,
                self.fifth,
                self.last,
            )
        })
    }

    fn shared(text: Arc<str>) -> Self {
        let length = text.len() as u64;
        Self {
            first: First {
                shared: Arc::into_raw(text).cast(),
            },
            second: length,
            third: 0,
            fourth: 0,
            fifth: 0,
            last: Last::Shared,
        }
    }

    /// The shared string that ours is a count of; it must not be dropped more often than this text is.
    ///
    /// # Safety
    /// Only of a text that [is shared](Self::is_shared).
    unsafe fn count(&self) -> ManuallyDrop<Arc<str>> {
        let text: *const str = self.as_str();
        // SAFETY: the address and length are those that `Arc::into_raw` gave.
        ManuallyDrop::new(unsafe { Arc::from_raw(text) })
    }
}

impl Last {
    /// The length of an inline string.
    #[inline]
    fn of(n: usize) -> Self {
        debug_assert!(n <= INLINE);
        // SAFETY: the marks from 0 to 23 are `L0` to `L23`, and only strings of up to 23 bytes become inline.
        unsafe { std::mem::transmute::<u8, Self>(n as u8) }
    }
}

impl Clone for Text {
    #[inline]
    fn clone(&self) -> Self {
        if self.is_shared() {
            // SAFETY: it is shared; our own count is only borrowed.
            let ours = unsafe { self.count() };
            return Self::shared(Arc::clone(&ours));
        }
        // SAFETY: an inline string owns nothing outside of its 24 bytes.
        unsafe { std::ptr::read(self) }
    }
}

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        if self.is_shared() {
            // SAFETY: it is shared, and this text gives its one count back now.
            drop(ManuallyDrop::into_inner(unsafe { self.count() }));
        }
    }
}

impl Deref for Text {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::inline(&[])
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&String> for Text {
    #[inline]
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

/// Strings that lie inside are three words each, with zeros behind the end.
impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self.words(), other.words()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => **self == **other,
            // What is shared is too long to lie inside.
            _ => false,
        }
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

/// As `str` does, which `Borrow` promises.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_length_comes_back() {
        let all = "äbcdefghijklmnopqrstuvwxyzABCDEF";
        for n in (0..=all.len()).filter(|n| all.is_char_boundary(*n)) {
            let text = Text::new(&all[..n]);
            assert_eq!(text.as_str(), &all[..n]);
            assert_eq!(text.is_shared(), n > INLINE);
        }
        assert_eq!(std::mem::size_of::<Text>(), 24);
        assert_eq!(std::mem::size_of::<Option<Text>>(), 24);
    }

    #[test]
    fn a_long_one_is_shared_and_freed_with_the_last() {
        let shared: Arc<str> = "longer than twenty-three bytes".into();
        let text = Text::shared(shared.clone());
        let copies = vec![text.clone(); 3];
        assert_eq!(Arc::strong_count(&shared), 5);
        assert!(copies.iter().all(|c| c.as_ptr() == shared.as_ptr()));
        drop((text, copies));
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    proptest! {
        /// Whatever is done with a text gives what it gives with the string.
        #[test]
        fn it_behaves_as_its_string(a in "\\PC{0,40}", b in "\\PC{0,40}") {
            let (x, y) = (Text::new(&a), Text::from(b.clone()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(x.to_string(), a.clone());
            prop_assert_eq!(&*x.clone(), &*a);
            let json = serde_json::to_string(&x).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&a).unwrap());
            prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), x);
        }
    }
}
