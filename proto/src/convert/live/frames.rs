//! Decodes reports in place: the header fields and definitions first, then row by row.

use mesh::exchange::Exchange;
use mesh::report::{Coverage, Report};
use mesh::rule::RULES_MAX;
use mesh::rule_totals::SIDES_MAX;

use crate::convert::callers::callers;
use crate::convert::exchanges::exchange;
use crate::convert::fields::{FieldValue, Fields};
use crate::convert::live::{Decoder, ROWS_MAX, SAMPLES_MAX};
use crate::convert::report_buffer::ReportBuffer;
use crate::convert::rule_totals::read_rule_totals;
use crate::convert::stats::read;
use crate::convert::{InvalidMessage, at_most};
use crate::wire;

/// Whether a report has samples or callers besides its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameParts {
    Rows,
    More,
}

impl Decoder {
    /// Decodes a report. If a field is invalid, definitions before it are kept.
    pub fn decode(&mut self, live: &[u8]) -> Result<Report, InvalidMessage> {
        let mut reading = ReportBuffer::default();
        self.read(live, &mut reading)?;
        Ok(reading.report)
    }

    /// Like [`Self::decode`], but reuses the memory of the previous report.
    pub fn read(&mut self, live: &[u8], reading: &mut ReportBuffer) -> Result<(), InvalidMessage> {
        reading.begin();
        let parts = self.read_head(live, reading)?;
        self.read_rows(live, reading)?;
        if parts == FrameParts::More {
            self.read_rest(live, &mut reading.report)?;
        }
        Ok(())
    }

    /// Reads the header fields and the definitions, wherever they are in the message.
    fn read_head(&mut self, live: &[u8], reading: &mut ReportBuffer) -> Result<FrameParts, InvalidMessage> {
        self.begin();
        let (report, control_ms) = (&mut reading.report, &mut reading.control_ms);
        let (mut rows, mut samples, mut callers, mut fields) = (0, 0, 0, Fields::new("live", live));
        // The field numbers are those of `Live` in mesh.proto.
        while let Some((field, value)) = fields.read()? {
            match field {
                1 => report.seq = value.number("seq")?,
                2 if value.number("snapshot")? > 0 => report.coverage = Coverage::Snapshot,
                3 => report.at_ms = value.number("at_ms")?,
                4 => self.define(&value.message("defs")?)?,
                5 => rows += 1,
                6 => samples += 1,
                8 => callers += 1,
                9 => *control_ms = value.number("control_ms")?,
                10 => {
                    at_most("rules", report.rules.len() + 1, RULES_MAX)?;
                    report.rules.push(read_rule_totals(value.bytes("rules")?)?);
                }
                7 => report.resources = Some(value.message::<wire::Resources>("resources")?.into()),
                _ => {}
            }
        }
        at_most("stats", rows, ROWS_MAX)?;
        at_most("samples", samples, SAMPLES_MAX)?;
        at_most("rules.own", report.rules.iter().filter(|rule| rule.sides.is_some()).count(), SIDES_MAX)?;
        at_most("callers", callers, ROWS_MAX)?;
        Ok(if samples + callers > 0 { FrameParts::More } else { FrameParts::Rows })
    }

    fn read_rows(&mut self, live: &[u8], reading: &mut ReportBuffer) -> Result<(), InvalidMessage> {
        let mut fields = Fields::new("live", live);
        while let Some((field, value)) = fields.read()? {
            if field != 5 {
                continue;
            }
            let (place, row) = (reading.rows(), reading.row());
            let reported = read(value.bytes("stats")?, &mut row.golden)?;
            let defined = self.defined_row(reported.id, place)?;
            row.endpoint.clone_from(&defined.endpoint);
            (row.is_file, row.in_flight, row.seen) = (defined.is_file, reported.in_flight, reported.seen);
        }
        reading.end_rows();
        Ok(())
    }

    /// Reads samples and callers, which refer to rows.
    fn read_rest(&mut self, live: &[u8], report: &mut Report) -> Result<(), InvalidMessage> {
        let mut fields = Fields::new("live", live);
        while let Some((field, value)) = fields.read()? {
            match field {
                6 => self.read_sample(value, report)?,
                8 => {
                    let reported: wire::Callers = value.message("callers")?;
                    let Some(place) = self.place(reported.id) else { continue };
                    callers(&reported, &mut report.endpoints[place], report.at_ms)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_sample(&self, value: FieldValue<'_>, report: &mut Report) -> Result<(), InvalidMessage> {
        let sample: wire::Sample = value.message("samples")?;
        let Some(place) = self.place(sample.id) else { return Ok(()) };
        let started_ms = report.at_ms.saturating_sub(u64::from(sample.ago_ms));
        report.endpoints[place].recent.push(Exchange { started_ms, ..exchange(sample)? });
        Ok(())
    }
}
