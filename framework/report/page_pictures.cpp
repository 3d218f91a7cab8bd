// The sections that show pictures: gallery and graphs.
#include <fmt/format.h>

#include "framework/report/html.h"
#include "framework/report/page.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

const std::string& image_name(const ReportContent& content, int64_t image) {
  return content.split.split->images[static_cast<size_t>(image)].name;
}
const std::string& caption_text(const ReportContent& content, int64_t caption) {
  return content.split.split->captions[static_cast<size_t>(caption)].text;
}

const char* kind_class(AnswerKind kind) {
  return kind == AnswerKind::right ? "right" : kind == AnswerKind::same_text ? "same" : "wrong";
}
const char* kind_words(AnswerKind kind) {
  return kind == AnswerKind::right ? "right" : kind == AnswerKind::same_text ? "wrong, but of the same text" : "wrong";
}
const char* kind_mark(AnswerKind kind) {
  return kind == AnswerKind::right ? "\xe2\x9c\x93" : kind == AnswerKind::same_text ? "=" : "\xc3\x97";
}

/// An image of the stock, or its name where it could not be read.
std::string picture(const ReportContent& content, int64_t image, const std::string& description) {
  if (!content.gallery.thumbnails.contains(image))
    return fmt::format("<div class=\"gone\">{}</div>", h(image_name(content, image)));
  return fmt::format(
      "<svg viewBox=\"0 0 96 96\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>"
      "<use href=\"#picture-{1}\"/></svg>",
      h(description), image);
}

std::string who(const ReportContent& content, const GalleryLine& line) {
  return fmt::format("<div class=\"who\">{}<span>rank {}</span></div>", h(content.data.variants[line.variant].name),
                     line.rank);
}

std::string sentence_query(const ReportContent& content, const GalleryQuery& query) {
  const int64_t target = content.split.caption_image[static_cast<size_t>(query.item)];
  const std::string& name = image_name(content, target);
  std::string out = fmt::format(
      "<article class=\"query\"><h3>\xe2\x80\x9c{}\xe2\x80\x9d</h3>\n<figure class=\"target\">{}<figcaption>its image: "
      "{}"
      "</figcaption></figure>\n<div class=\"lines\">\n",
      h(caption_text(content, query.item)), picture(content, target, name), h(name));
  for (const GalleryLine& line : query.lines) {
    out += "<div class=\"line\">" + who(content, line) + "<ol class=\"hits\">";
    for (const GalleryAnswer& answer : line.answers)
      out += fmt::format("<li class=\"{}\">{}<span class=\"mark\" aria-hidden=\"true\">{}</span></li>",
                         kind_class(answer.kind),
                         picture(content, answer.item,
                                 fmt::format("{}, {}", image_name(content, answer.item), kind_words(answer.kind))),
                         kind_mark(answer.kind));
    out += "</ol></div>\n";
  }
  return out + "</div></article>\n";
}

std::string sentence_mark(AnswerKind kind) {
  if (kind == AnswerKind::wrong) return "";
  return fmt::format(" <span class=\"how\">{}\xc2\xa0{}</span>", kind_mark(kind),
                     kind == AnswerKind::right ? "right" : "same\xc2\xa0text");
}

std::string image_query(const ReportContent& content, const GalleryQuery& query) {
  const std::string& name = image_name(content, query.item);
  std::string out =
      fmt::format("<article class=\"query\"><h3>{}</h3>\n<figure class=\"target\">{}</figure>\n<div class=\"lines\">\n",
                  h(name), picture(content, query.item, name));
  for (const GalleryLine& line : query.lines) {
    out += "<div class=\"line worded\">" + who(content, line) + "<ol class=\"sentences\">";
    // Captions worded alike follow each other: they are said once.
    for (size_t at = 0, next = 0; at < line.answers.size(); at = next) {
      const GalleryAnswer& answer = line.answers[at];
      const std::string& text = caption_text(content, answer.item);
      while (next < line.answers.size() && line.answers[next].kind == answer.kind &&
             caption_text(content, line.answers[next].item) == text)
        ++next;
      out += fmt::format("<li value=\"{}\" class=\"{}\">{}{}{}</li>", at + 1, kind_class(answer.kind), h(text),
                         next - at > 1 ? fmt::format(" <span class=\"tag\">{} times</span>", next - at) : "",
                         sentence_mark(answer.kind));
    }
    out += "</ol></div>\n";
  }
  return out + "</div></article>\n";
}

std::string gallery_notes(const ReportContent& content) {
  const Gallery& gallery = content.gallery;
  std::string runs;
  for (const std::string& run : gallery.runs) runs += (runs.empty() ? "" : ", ") + run;
  std::string out = note(fmt::format(
      "{} The first five answers of {}, without a reranker. \xe2\x9c\x93 right, \xc3\x97 wrong, = counted "
      "wrong, though its text is that of a right one word for word. Rank: place of the first right answer.",
      gallery.variants.size() > 1
          ? fmt::format("Queries on which the {}s disagree most come first; they are chosen for that and say "
                        "nothing of averages.",
                        content.data.noun())
          : "Hits and misses by turns.",
      runs));
  if (gallery.variants.size() + gallery.left_out.size() < content.data.variants.size() &&
      gallery.variants.size() == gallery_variants)
    out += note(fmt::format("Of {} {}s the baseline and the best are shown.", content.data.variants.size(),
                            content.data.noun()));
  for (const std::string& text : gallery.left_out) out += note("Not in the gallery: " + text);
  for (const std::string& text : gallery.broken) out += note("No picture: " + text);
  return out;
}

std::string drawn(const std::string& what, const std::string& relations, const std::string& jpeg) {
  if (jpeg.empty()) return "";
  return fmt::format("<img alt=\"{}{}\" src=\"data:image/jpeg;base64,{}\">", h(what),
                     relations.empty() ? "" : h(": " + relations), jpeg);
}

std::string drawing(const ReportContent& content, const GraphDrawing& of) {
  const std::string& name = image_name(content, of.image);
  std::string out = fmt::format("<figure class=\"drawing\"><figcaption>{}: ", variant_names(content.data, of.variants));
  if (!of.image_jpeg.empty()) out += fmt::format("{}, {} objects", h(name), of.objects);
  if (!of.caption_jpeg.empty())
    out += fmt::format("{}\xe2\x80\x9c{}\xe2\x80\x9d, {} entities", of.image_jpeg.empty() ? "" : "; ",
                       h(caption_text(content, of.caption)), of.entities);
  out += fmt::format(" <span class=\"tag\">({})</span></figcaption>", h(of.builders));
  out += drawn("Graph of " + name, of.image_relations, of.image_jpeg);
  out += drawn("Graph of the caption", of.caption_relations, of.caption_jpeg);
  return out + "</figure>\n";
}

}  // namespace

std::string picture_stock(const Gallery& gallery) {
  if (gallery.thumbnails.empty()) return "";
  std::string out = "<svg class=\"stock\" aria-hidden=\"true\"><defs>\n";
  for (const auto& [image, jpeg] : gallery.thumbnails)
    out += fmt::format("<image id=\"picture-{}\" width=\"96\" height=\"96\" href=\"data:image/jpeg;base64,{}\"/>\n",
                       image, jpeg);
  return out + "</defs></svg>\n";
}

Section gallery(const ReportContent& content) {
  const Gallery& of = content.gallery;
  if (!of.missing.empty()) return {"gallery", "Gallery", note("No gallery: " + of.missing)};
  std::string html = gallery_notes(content) + "<h3>Sentences as queries</h3>\n";
  for (const GalleryQuery& query : of.sentences) html += sentence_query(content, query);
  html += "<h3>Images as queries</h3>\n";
  for (const GalleryQuery& query : of.images) html += image_query(content, query);
  return {"gallery", "Gallery", html};
}

Section graphs(const ReportContent& content) {
  std::string html;
  for (const GraphDrawing& of : content.graphs.drawings) html += drawing(content, of);
  if (!html.empty())
    html = note(fmt::format("Graphs as the {}s' builders make them, for queries of the gallery: boxes are nodes, lines "
                            "relations or, without names, the adjacency.",
                            content.data.noun())) +
           "<div class=\"drawings\">" + html + "</div>\n";
  for (const std::string& text : content.graphs.missing) html += note("Not drawn: " + text);
  return {"graphs", "Graphs", html};
}

}  // namespace orbweaver::page
