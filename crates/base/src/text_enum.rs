//! Enumerations whose members have a fixed spelling in documents.

/// What [`text_enum!`](crate::text_enum) gives every enumeration, for generic parsers of attributes.
pub trait TextEnum: Copy + 'static {
    /// All members in declaration order.
    const MEMBERS: &'static [Self];

    /// The spelling in documents.
    fn text(self) -> &'static str;

    /// The member with this exact spelling.
    fn from_text(text: &str) -> Option<Self>;
}

/// Declares an enumeration with its spellings.
///
/// ```
/// base::text_enum! {
///     /// Bus a disk sits on.
///     pub enum DiskBus {
///         Ide = "ide",
///         VirtioScsi = "virtio-scsi",
///     }
/// }
/// assert_eq!(DiskBus::parse("ide"), Some(DiskBus::Ide));
/// assert_eq!(DiskBus::VirtioScsi.as_str(), "virtio-scsi");
/// assert_eq!(DiskBus::ALL.len(), 2);
/// assert_eq!(DiskBus::VirtioScsi as usize, 1);
/// ```
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$member_meta:meta])* $member:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        $vis enum $name {
            $($(#[$member_meta])* #[doc = concat!("`", $text, "`")] $member),+
        }

        impl $name {
            /// All members in declaration order.
            $vis const ALL: &'static [$name] = &[$($name::$member),+];

            /// The spelling in documents.
            $vis const fn as_str(self) -> &'static str {
                match self { $($name::$member => $text),+ }
            }

            /// The member with this exact spelling.
            $vis fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$member),)+ _ => None }
            }
        }

        impl $crate::TextEnum for $name {
            const MEMBERS: &'static [$name] = $name::ALL;

            fn text(self) -> &'static str {
                self.as_str()
            }

            fn from_text(text: &str) -> Option<$name> {
                $name::parse(text)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
