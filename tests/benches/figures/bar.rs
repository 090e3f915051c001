//! The table of figures, and which of them miss what the project promises.

use std::sync::atomic::{AtomicUsize, Ordering};

static MISSED: AtomicUsize = AtomicUsize::new(0);

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Bar {
    /// Whatever it is.
    None,
    Below(f64),
    AtLeast(f64),
}

impl Bar {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::None => true,
            Self::Below(bar) => figure < bar,
            Self::AtLeast(bar) => figure >= bar,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Below(bar) => format!("bar: < {bar} {unit}"),
            Self::AtLeast(bar) => format!("bar: >= {bar} {unit}"),
        }
    }
}

/// Prints a figure and whether it is as it has to be.
pub fn row(what: &str, figure: f64, unit: &str, bar: Bar) {
    let verdict = match bar {
        Bar::None => "",
        _ if bar.is_met(figure) => "met",
        _ => "MISSED",
    };
    MISSED.fetch_add(usize::from(!bar.is_met(figure)), Ordering::SeqCst);
    println!("{}", format!("{what:<64} {figure:>10.2} {unit:<4} {:<16} {verdict}", bar.text(unit)).trim_end());
}

/// How many figures have missed their bars.
pub fn missed() -> u8 {
    u8::try_from(MISSED.load(Ordering::SeqCst)).unwrap_or(u8::MAX)
}

/// As many have in another process, which has printed them.
pub fn missed_elsewhere(count: usize) {
    MISSED.fetch_add(count, Ordering::SeqCst);
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
