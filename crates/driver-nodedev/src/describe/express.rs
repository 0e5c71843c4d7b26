//! What the configuration space of a PCI function says of its header and its link.

use conf_nodedev::capability::pci::{Bridge, Express, Link, Speed};

/// Bit that says that there is a list of capabilities.
const STATUS_LIST: u16 = 0x10;
/// The capability of PCI Express.
const EXPRESS: u8 = 0x10;
/// Kinds of functions that hang on no link: part of the root itself.
const WITHOUT_LINK: [u16; 2] = [9, 10];

fn word(config: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(config.get(at..at + 2)?.try_into().ok()?))
}

fn double(config: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(config.get(at..at + 4)?.try_into().ok()?))
}

/// What kind of bridge it is, if it is one.
pub(super) fn bridge(config: &[u8]) -> Option<Bridge> {
    match config.get(0x0e)? & 0x7f {
        1 => Some(Bridge::Pci),
        2 => Some(Bridge::CardBus),
        _ => None,
    }
}

fn speed(number: u32) -> Option<Speed> {
    Speed::ALL.get((number as usize).checked_sub(1)?).copied()
}

/// Where a capability begins.
fn capability(config: &[u8], wanted: u8) -> Option<usize> {
    if word(config, 6)? & STATUS_LIST == 0 {
        return None;
    }
    let mut at = usize::from(*config.get(0x34)? & !3);
    // The list cannot be longer than the space has room for; a broken one may lead around in a circle.
    for _ in 0..48 {
        if at < 0x40 {
            return None;
        }
        if *config.get(at)? == wanted {
            return Some(at);
        }
        at = usize::from(*config.get(at + 1)? & !3);
    }
    None
}

/// PCI Express, if the function has it.
pub(super) fn express(config: &[u8]) -> Option<Express> {
    // A function that lists nothing at all, like a root without a bus above it, counts as part of the root.
    if word(config, 6)? & STATUS_LIST == 0 {
        return Some(Express::default());
    }
    let at = capability(config, EXPRESS)?;
    let kind = word(config, at + 2)? >> 4 & 0xf;
    if WITHOUT_LINK.contains(&kind) {
        return Some(Express::default());
    }
    let (able, now) = (double(config, at + 0x0c)?, u32::from(word(config, at + 0x12)?));
    let link = |bits: u32, port: Option<u32>| {
        // A link without lanes has no speed either.
        let width = bits >> 4 & 0x3f;
        Link { port, speed: speed(bits & 0xf).filter(|_| width > 0), width }
    };
    Some(Express { capability: Some(link(able, Some(able >> 24))), status: Some(link(now, None)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_and_circles_end() {
        let mut config = vec![0u8; 256];
        config[6] = 0x10;
        config[0x34] = 0x40;
        config[0x40] = 1;
        config[0x41] = 0x50;
        config[0x50] = EXPRESS;
        config[0x5c..0x60].copy_from_slice(&(0x0100_0042u32 | 1 << 4).to_le_bytes());
        config[0x62..0x64].copy_from_slice(&0x0041u16.to_le_bytes());
        let found = express(&config).unwrap();
        assert_eq!(found.capability, Some(Link { port: Some(1), speed: Some(Speed::Gen2), width: 5 }));
        assert_eq!(found.status, Some(Link { port: None, speed: Some(Speed::Gen1), width: 4 }));
        config[0x52] = 0x90;
        assert_eq!(express(&config), Some(Express::default()));
        config[0x50] = 1;
        config[0x51] = 0x40;
        assert_eq!(express(&config), None);
        assert_eq!(express(&config[..64]), None);
        assert_eq!(express(&[0; 64]), Some(Express::default()));
        assert_eq!(express(&[]), None);
        config[0x0e] = 0x81;
        assert_eq!(bridge(&config), Some(Bridge::Pci));
    }
}
