//! When a case applies.

use super::{
    case::Cx,
    rules::{EmptyWrite, Errors, Reads, Unread},
};

pub(super) fn always<R, W>(_: &Cx<R, W>) -> Option<&'static str> {
    None
}

fn unless(applies: bool, why: &'static str) -> Option<&'static str> {
    (!applies).then_some(why)
}

pub(super) fn buffer<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.capacity().is_some(), "there is no buffer")
}

pub(super) fn no_buffer<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.capacity().is_none(), "there is a buffer")
}

pub(super) fn exact<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(
        cx.rules.capacity().is_none() || cx.rules.capacity_is_exact(),
        "the capacity is not known exactly",
    )
}

pub(super) fn within_one_write<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.reads == Reads::WithinOneWrite, "a read may cross the borders of writes")
}

pub(super) fn across_writes<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.reads == Reads::AcrossWrites, "a read stays within one write")
        .or_else(|| buffer(cx))
}

pub(super) fn delivered<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.unread == Unread::Delivered, "unread bytes are lost when the writer closes")
        .or_else(|| buffer(cx))
}

pub(super) fn lost<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.unread == Unread::Lost, "unread bytes are delivered when the writer closes")
        .or_else(|| no_buffer(cx))
}

pub(super) fn same_object<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.errors == Errors::SameObject, "errors cross as a kind and a text")
}

pub(super) fn kind_and_text<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.errors == Errors::KindAndText, "errors cross as the objects they are")
}

pub(super) fn empty_write_meets_read<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.empty_write == EmptyWrite::MeetsRead, "an empty write does nothing")
}

pub(super) fn empty_write_is_nothing<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.rules.empty_write == EmptyWrite::Nothing, "an empty write meets a read")
}

pub(super) fn parallel<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.hooks.share.is_some(), "parallel callers go through the gate")
}

pub(super) fn mortal_writer<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.hooks.kill_writer.is_some(), "no process of its own holds the writer")
        .or_else(|| delivered(cx))
}

pub(super) fn mortal_reader<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.hooks.kill_reader.is_some(), "no process of its own holds the reader")
        .or_else(|| buffer(cx))
}

pub(super) fn interrupts<R, W>(cx: &Cx<R, W>) -> Option<&'static str> {
    unless(cx.hooks.interrupt.is_some(), "nothing sends signals")
}
