// For which labels an estimate makes sense: those that are functions of the signal.
import { type PseudoLabelName, pseudoLabelNames } from '../../features/pseudo-labels.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';

/** Pretext tasks whose target is drawn, or is the signal itself, and why no estimate can weigh them. */
const notLabels: Record<string, string> = {
  'temporal-gap':
    'its target, a distance in time, is drawn independently of the signal and would seem ideal whatever it is worth',
  contrastive: 'its target says which slices belong together and is not a property of one recording',
  triplet: 'its target says which slices belong together and is not a property of one recording',
  cbow: 'its target is the spectrogram itself, not a number',
  'skip-gram': 'its target is the spectrogram itself, not a number',
  autoencoder: 'its target is the spectrogram itself, not a number',
};

/** Checks names of candidates; default: all pseudo-labels. `"f0,hnr"` or a list.
 * @throws `ERR_ARGUMENT` for a name that is not a label, for one named twice, for fewer than two. */
export function chooseCandidates(names: string | readonly string[] = pseudoLabelNames): PseudoLabelName[] {
  const list = (typeof names === 'string' ? names.split(',') : [...names]).map((name) => name.trim());
  for (const [i, name] of list.entries()) {
    const reason = Object.hasOwn(notLabels, name) ? notLabels[name] : undefined;
    if (reason !== undefined) {
      throw new Audio2VecError(
        'ERR_ARGUMENT',
        `candidates cannot have ${name}: ${reason}. Labels that are functions of the signal can be weighed: ` +
          `${pseudoLabelNames.join(', ')}.`,
      );
    }
    if (!pseudoLabelNames.includes(name as PseudoLabelName)) {
      throw argumentError('candidates', `labels out of ${pseudoLabelNames.join(', ')}`, name);
    }
    if (list.indexOf(name) !== i) throw argumentError('candidates', 'different labels', `${name} twice`);
  }
  if (list.length < 2) throw argumentError('candidates', 'at least two labels to choose from', list.join(','));
  return list as PseudoLabelName[];
}
