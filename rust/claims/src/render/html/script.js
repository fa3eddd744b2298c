// Copying, and going through a listing. Without it everything can still be read, and cited by hand.
'use strict';

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Where a page from disk may not use the clipboard's interface, the older way may still be open.
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('aria-hidden', 'true');
    area.style.position = 'fixed';
    area.style.opacity = '0';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
};

for (const button of document.querySelectorAll('button[data-copy]')) {
  button.addEventListener('click', async () => {
    const part = button.closest('.provenance');
    const text = part.querySelector(`pre[data-form=${button.dataset.copy}]`).textContent;
    const done = await copy(text);
    button.focus();
    const status = part.querySelector('.copied');
    // Emptied first, so that the same words are announced again.
    status.textContent = '';
    setTimeout(() => {
      status.textContent = done ? 'Copied.' : 'Not copied: open “Cite it by hand” below.';
      if (!done) part.querySelector('details.citation').open = true;
    }, 30);
  });
}

for (const listing of document.querySelectorAll('.listing')) {
  const lines = [...listing.children];
  const explain = listing.closest('.columns').nextElementSibling;
  const words = lines.map((line) => line.title);
  // The words have a place of their own: a second copy would only cover the code.
  for (const line of lines) line.removeAttribute('title');
  let now = -1;
  const go = (to) => {
    if (to < 0 || to >= lines.length) return;
    lines[now]?.classList.remove('now');
    now = to;
    lines[now].classList.add('now');
    lines[now].scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const text = lines[now].querySelector('code').textContent;
    explain.textContent = words[now] ? `${text}: ${words[now]}.` : `${text}.`;
  };
  lines.forEach((line, at) => {
    line.addEventListener('pointerenter', () => go(at));
    line.addEventListener('click', () => go(at));
  });
  listing.addEventListener('keydown', (event) => {
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
}
