//! What a figure was measured on, in a few words, so that figures of two machines are never compared as one.

use std::fs;

use serde::Serialize;

/// A machine as its users would describe it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// How many processors this process may use.
    pub cores: usize,
    /// Release of the kernel.
    pub kernel: String,
}

impl Machine {
    /// The machine that this runs on; what it does not say is `unknown`.
    #[must_use]
    pub fn here() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            cpu: or_unknown(cpu_model(&cpuinfo).unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: or_unknown(kernel.trim()),
        }
    }
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "unknown".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_names_its_processor_and_kernel() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Some CPU 9\n"), Some("Some CPU 9"));
        assert_eq!(or_unknown(""), "unknown");
        let here = Machine::here();
        assert!(here.cores > 0 && !here.kernel.is_empty() && !here.cpu.is_empty());
    }
}
